// PNG files: every color type and bit depth, interlaced or not. Of an animated PNG, the still
// image.
#pragma once

#include <string>
#include <string_view>
#include <variant>

#include "image/decode_limits.h"
#include "image/image_source.h"
#include "image/raster.h"

namespace valley {

// "libpng 1.6.39, zlib 1.2.13"
[[nodiscard]] std::string png_library();

// Uses the high byte of 16-bit channels, as Pillow. Ignores color profiles and gamma. An index i
// beyond the palette is the gray (i, i, i), as in Pillow 9.4. Chunks that affect pixels, including
// texts with the orientation, must have a correct CRC; others are not passed to libpng, so that
// other compressed texts and profiles are never decompressed.
[[nodiscard]] std::variant<Raster, Reject> decode_png(std::string_view file, DecodeLimits& limits);

}  // namespace valley
