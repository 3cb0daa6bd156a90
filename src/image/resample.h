// Resizing, bitwise equal to Pillow, because resizing affects published metrics.
//
// Separable convolution whose support grows with the reduction factor (antialiasing), weights
// normalized in double and rounded to 22-bit fixed point; first rows, rounded and clipped to 8
// bits, then columns.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "image/image.h"

namespace valley {

enum class Filter { kLanczos, kBicubic, kBilinear, kBox };

[[nodiscard]] std::string_view filter_name(Filter filter);
[[nodiscard]] const std::vector<std::string>& filter_names();
[[nodiscard]] Filter parse_filter(const std::string& name);  // kUsage for an unknown name

// Stretches `image` to height x width, both at least 1.
[[nodiscard]] Image resample(const Image& image, std::int64_t height, std::int64_t width,
                             Filter filter);

}  // namespace valley
