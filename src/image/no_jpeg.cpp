// Replaces jpeg_decoder.cpp if libjpeg-turbo was not found when the program was configured.
#include "image/decode.h"
#include "image/jpeg_decoder.h"

namespace valley {

std::string jpeg_library() { return {}; }

std::variant<Raster, Reject> decode_jpeg(std::string_view, DecodeLimits&) {
  return missing_codec("JPEG", kJpegPackage);
}

}  // namespace valley
