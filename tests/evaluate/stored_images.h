// Images that a test has made, as a source of samples.
#pragma once

#include <ATen/ops/randint.h>

#include <utility>

#include "inference/sample_source.h"

namespace valley {

class StoredImages final : public SampleSource {
 public:
  explicit StoredImages(at::Tensor pixels) : pixels_(std::move(pixels)) {}
  [[nodiscard]] at::Tensor pixels(std::uint64_t first, std::int64_t n) const override {
    return pixels_.narrow(0, static_cast<std::int64_t>(first), n);
  }

 private:
  at::Tensor pixels_;  // uint8 [n, H, W, C]
};

inline at::Tensor noise_images(std::int64_t n, std::int64_t side, std::int64_t channels) {
  return at::randint(0, 256, {n, side, side, channels}, at::kByte);
}

}  // namespace valley
