// The peak signal-to-noise ratio, 10 log10(255^2 / mean squared difference), in dB. Infinite for
// equal images.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace valley {

// Squared differences, summed over any number of images.
struct SquaredError {
  double sum = 0;
  std::int64_t elements = 0;

  [[nodiscard]] double psnr() const;  // NaN without elements
  SquaredError& operator+=(const SquaredError& other);
};

// For images uint8 [H, W, C] on the host; with `where` (bool [H, W]) for its true pixels only.
[[nodiscard]] SquaredError squared_error(const at::Tensor& image, const at::Tensor& truth,
                                         const at::Tensor& where = {});

}  // namespace valley
