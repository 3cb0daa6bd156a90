// The peak signal-to-noise ratio: 10 log10(255^2 / mean squared difference), in dB. Two images that
// are equal have an infinite one.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace valley {

// Squared differences, added up over any number of images.
struct SquaredError {
  double sum = 0;
  std::int64_t numbers = 0;

  [[nodiscard]] double psnr() const;  // NaN of nothing
  SquaredError& operator+=(const SquaredError& other);
};

// Of two images uint8 [H, W, C] on the host; with `where` (bool [H, W]) of its true pixels alone.
[[nodiscard]] SquaredError squared_error(const at::Tensor& image, const at::Tensor& truth,
                                         const at::Tensor& where = {});

}  // namespace valley
