// Replaces jpeg_decoder.cpp and jpeg_encoder.cpp if libjpeg-turbo was not found when the program
// was configured.
#include "core/error.h"
#include "image/decode.h"
#include "image/jpeg_decoder.h"
#include "image/jpeg_encoder.h"

namespace valley {

std::string jpeg_library() { return {}; }

std::variant<Raster, Reject> decode_jpeg(std::string_view, DecodeLimits&) {
  return missing_codec("JPEG", kJpegPackage);
}

std::optional<Reject> decode_jpeg_into(std::string_view, const JpegShape&,
                                       std::span<std::uint8_t>) {
  return missing_codec("JPEG", kJpegPackage);
}

std::vector<std::uint8_t> encode_jpeg(const Image&, int) {
  throw Error(ExitCode::kUsage, "JPEG: {}", missing_codec("JPEG", kJpegPackage).detail);
}

}  // namespace valley
