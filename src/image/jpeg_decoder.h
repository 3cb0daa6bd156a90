// JPEG files: baseline, progressive and arithmetic; gray, RGB, and CMYK as Adobe writes it.
#pragma once

#include <string>
#include <string_view>
#include <variant>

#include "image/decode_limits.h"
#include "image/image_source.h"
#include "image/raster.h"

namespace valley {

inline constexpr std::string_view kJpegPackage = "libjpeg-dev";

// "libjpeg-turbo 2.1.5"; empty in a build without it.
[[nodiscard]] std::string jpeg_library();

// Pixels equal those of Pillow's convert("RGB") ("L" for gray files): accurate integer DCT, smooth
// chroma upsampling, CMYK always inverted. Truncated or damaged files, which Pillow shows with gray
// or garbled parts, are rejects.
[[nodiscard]] std::variant<Raster, Reject> decode_jpeg(std::string_view file, DecodeLimits& limits);

}  // namespace valley
