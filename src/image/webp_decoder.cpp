#include "image/webp_decoder.h"

#include <fmt/core.h>
#include <webp/decode.h>
#include <webp/demux.h>

#include <algorithm>
#include <memory>

#include "core/little_endian.h"
#include "image/exif.h"

namespace valley {
namespace {

constexpr std::size_t kRiffHeader = 12;  // "RIFF", size, "WEBP"
constexpr std::size_t kChunkHeader = 8;  // type, size
constexpr std::uint64_t kCanvases = 3;   // buffers of the animation decoder
constexpr int kLossless = 2;             // WebPBitstreamFeatures::format

const std::uint8_t* bytes_of(std::string_view file) {
  return reinterpret_cast<const std::uint8_t*>(file.data());
}

// Data of the chunk EXIF; may be empty. As in libwebp, only if the chunk VP8X announces it.
std::string_view exif_chunk(std::string_view file) {
  std::string_view rest = file.substr(kRiffHeader);
  if (!rest.starts_with("VP8X") || rest.size() <= kChunkHeader ||
      (static_cast<unsigned char>(rest[kChunkHeader]) & EXIF_FLAG) == 0)
    return {};
  while (rest.size() >= kChunkHeader) {
    const std::uint64_t bytes = little_endian(rest.substr(4, 4));
    if (rest.starts_with("EXIF")) return rest.substr(kChunkHeader, bytes);
    rest.remove_prefix(std::min<std::uint64_t>(rest.size(), kChunkHeader + bytes + bytes % 2));
  }
  return {};
}

Reject failure(VP8StatusCode status) {
  switch (status) {
    case VP8_STATUS_NOT_ENOUGH_DATA:
      return {"truncated", "the file ends before the image does"};
    case VP8_STATUS_OUT_OF_MEMORY:
      return {"too large", "libwebp ran out of memory"};
    case VP8_STATUS_UNSUPPORTED_FEATURE:
      return {"unsupported", "a feature that libwebp does not support"};
    default:
      return {"damaged", "libwebp finds errors in its data"};
  }
}

std::optional<Reject> decode_still(std::string_view file, Image& pixels) {
  WebPDecoderConfig config;
  if (WebPInitDecoderConfig(&config) == 0) return Reject{"unsupported", "another libwebp"};
  config.output.colorspace = pixels.channels == 4 ? MODE_RGBA : MODE_RGB;
  config.output.is_external_memory = 1;
  config.output.u.RGBA.rgba = pixels.pixels.data();
  config.output.u.RGBA.stride = static_cast<int>(pixels.row_bytes());
  config.output.u.RGBA.size = pixels.pixels.size();
  const VP8StatusCode status = ::WebPDecode(bytes_of(file), file.size(), &config);
  ::WebPFreeDecBuffer(&config.output);
  if (status == VP8_STATUS_OK) return std::nullopt;
  // Truncated data is reported as "suspended".
  return failure(status == VP8_STATUS_SUSPENDED ? VP8_STATUS_NOT_ENOUGH_DATA : status);
}

std::optional<Reject> decode_first_frame(std::string_view file, Image& pixels) {
  WebPAnimDecoderOptions options;
  if (WebPAnimDecoderOptionsInit(&options) == 0)
    return Reject{"unsupported", "another libwebpdemux"};
  options.color_mode = MODE_RGBA;
  const WebPData data{bytes_of(file), file.size()};
  const std::unique_ptr<WebPAnimDecoder, void (*)(WebPAnimDecoder*)> decoder(
      WebPAnimDecoderNew(&data, &options), ::WebPAnimDecoderDelete);
  std::uint8_t* canvas = nullptr;
  int timestamp = 0;
  if (decoder == nullptr || ::WebPAnimDecoderGetNext(decoder.get(), &canvas, &timestamp) == 0)
    return Reject{"damaged", "libwebp finds errors in its first image, or it is truncated"};
  const auto channels = static_cast<std::size_t>(pixels.channels);
  for (std::size_t from = 0, to = 0; to < pixels.pixels.size(); from += 4, to += channels)
    std::copy_n(canvas + from, channels, pixels.pixels.data() + to);
  return std::nullopt;
}

}  // namespace

std::string webp_library() {
  const auto version = static_cast<unsigned>(::WebPGetDecoderVersion());
  return fmt::format("libwebp {}.{}.{}", version >> 16U, version >> 8U & 0xFFU, version & 0xFFU);
}

std::variant<Raster, Reject> decode_webp(std::string_view file, DecodeLimits& limits) {
  if (little_endian(file.substr(4, 4)) + kChunkHeader > file.size())
    return Reject{"truncated", "the file is shorter than in its header"};
  WebPBitstreamFeatures features;
  const VP8StatusCode status = WebPGetFeatures(bytes_of(file), file.size(), &features);
  if (status != VP8_STATUS_OK) return failure(status);
  const auto height = static_cast<std::uint64_t>(features.height);
  const auto width = static_cast<std::uint64_t>(features.width);
  const std::uint64_t channels = features.has_alpha != 0 ? 4 : 3;
  const bool is_animated = features.has_animation != 0;
  const std::uint64_t canvases = is_animated ? kCanvases : features.format == kLossless ? 1 : 0;

  Raster raster;
  raster.orientation = exif_orientation(exif_chunk(file)).value_or(1);
  if (std::optional<Reject> reject = limits.admit(
          {height, width, channels, canvases * 4 * height * width, raster.orientation}))
    return *std::move(reject);
  raster.pixels = Image(features.height, features.width, static_cast<std::int64_t>(channels));
  std::optional<Reject> reject =
      is_animated ? decode_first_frame(file, raster.pixels) : decode_still(file, raster.pixels);
  if (reject) return *std::move(reject);
  return raster;
}

}  // namespace valley
