// JPEG files: baseline, progressive and arithmetic; gray, RGB, and CMYK as Adobe writes it.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
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

// Shape of an image: pixels and 1 (gray) or 3 (RGB) channels.
struct JpegShape {
  std::int64_t height = 0;
  std::int64_t width = 0;
  std::int64_t channels = 0;
};
// Decodes a file of this shape into `pixels` [height, width, channels], as decode_jpeg does,
// without EXIF. A file of another shape is damaged.
[[nodiscard]] std::optional<Reject> decode_jpeg_into(std::string_view file, const JpegShape& shape,
                                                     std::span<std::uint8_t> pixels);

}  // namespace valley
