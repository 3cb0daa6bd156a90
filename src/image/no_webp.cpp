// Replaces webp_decoder.cpp if libwebp was not found when the program was configured.
#include "image/decode.h"
#include "image/webp_decoder.h"

namespace valley {

std::string webp_library() { return {}; }

std::variant<Raster, Reject> decode_webp(std::string_view, DecodeLimits&) {
  return missing_codec("WebP", kWebpPackage);
}

}  // namespace valley
