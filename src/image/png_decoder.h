// PNG files: every colour type and bit depth, interlaced or not. Of an animated PNG, the still
// picture.
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

// Of 16 bits a channel the high byte counts, as in Pillow. Colour profiles and gamma are ignored.
// An index beyond the palette's entries is the gray (i, i, i), as in Pillow 9.4. The chunks that
// pixels depend on, among them texts that tell the orientation, must be whole (their CRC is
// checked); libpng sees no others, so whatever other compressed texts or profiles hold is never
// unpacked.
[[nodiscard]] std::variant<Raster, Reject> decode_png(std::string_view file, DecodeLimits& limits);

}  // namespace valley
