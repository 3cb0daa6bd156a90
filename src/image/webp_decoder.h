// WebP files, lossy and lossless. Of an animation, the first image.
#pragma once

#include <string>
#include <string_view>
#include <variant>

#include "image/decode_limits.h"
#include "image/image_source.h"
#include "image/raster.h"

namespace valley {

inline constexpr std::string_view kWebpPackage = "libwebp-dev";

// "libwebp 1.2.4"; empty in a build without it.
[[nodiscard]] std::string webp_library();

[[nodiscard]] std::variant<Raster, Reject> decode_webp(std::string_view file, DecodeLimits& limits);

}  // namespace valley
