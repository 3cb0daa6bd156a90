#include "image/decode.h"

#include <fmt/core.h>

#include <new>
#include <utility>

#include "image/codecs.h"
#include "image/exif.h"
#include "image/jpeg_decoder.h"
#include "image/png_decoder.h"
#include "image/webp_decoder.h"

namespace valley {
namespace {

std::variant<Raster, Reject> decode_raster(std::string_view file, DecodeLimits& limits) {
  switch (format_of(file)) {
    case Format::kJpeg:
      return decode_jpeg(file, limits);
    case Format::kPng:
      return decode_png(file, limits);
    case Format::kWebp:
      return decode_webp(file, limits);
    case Format::kUnknown:
      break;
  }
  if (file.empty()) return Reject{"empty file", "0 bytes"};
  return Reject{"not an image", "its content is neither JPEG nor PNG nor WebP"};
}

bool is_opaque(const Image& image) {
  const auto channels = static_cast<std::size_t>(image.channels);
  for (std::size_t i = channels - 1; i < image.pixels.size(); i += channels) {
    if (image.pixels[i] != 255) return false;
  }
  return true;
}

// In place: the write position is never beyond the read position.
void composite(Image& image, unsigned background) {
  const auto channels = static_cast<std::size_t>(image.channels);
  const std::size_t colors = channels - 1;
  const std::size_t pixels = image.pixels.size() / channels;
  const std::uint8_t* from = image.pixels.data();
  std::uint8_t* to = image.pixels.data();
  for (std::size_t i = 0; i < pixels; ++i, from += channels, to += colors) {
    const unsigned alpha = from[colors];
    for (std::size_t c = 0; c < colors; ++c)
      to[c] = static_cast<std::uint8_t>((from[c] * alpha + background * (255 - alpha) + 127) / 255);
  }
  image.channels -= 1;
  image.pixels.resize(pixels * colors);
}

}  // namespace

std::vector<ImageCodec> image_codecs() {
  const auto codec = [](const char* format, const std::string& library, std::string_view package) {
    return ImageCodec{format, !library.empty(), library, std::string(package)};
  };
  return {codec("JPEG", jpeg_library(), kJpegPackage), codec("PNG", png_library(), "libpng-dev"),
          codec("WebP", webp_library(), kWebpPackage)};
}

Format format_of(std::string_view file) {
  using namespace std::string_view_literals;
  if (file.starts_with("\xFF\xD8\xFF"sv)) return Format::kJpeg;
  if (file.starts_with("\x89PNG\r\n\x1A\n"sv)) return Format::kPng;
  if (file.size() >= 12 && file.starts_with("RIFF"sv) && file.substr(8, 4) == "WEBP"sv)
    return Format::kWebp;
  return Format::kUnknown;
}

std::variant<Image, Reject> decode_image(std::string_view file, const DecodeOptions& options,
                                         DecodeLimits& limits) {
  std::variant<Raster, Reject> decoded = decode_raster(file, limits);
  if (auto* reject = std::get_if<Reject>(&decoded)) return std::move(*reject);
  auto& [image, orientation] = std::get<Raster>(decoded);
  if (image.channels % 2 == 0 && options.alpha != Alpha::kKeep) {
    if (options.alpha == Alpha::kError && !is_opaque(image))
      return Reject{"transparent", "it has transparent pixels, and --alpha is error"};
    composite(image, options.alpha == Alpha::kOnBlack ? 0 : 255);
  }
  if (options.apply_exif) return oriented(std::move(image), orientation);
  return std::move(image);
}

Reject missing_codec(std::string_view format, std::string_view package) {
  return {"codec missing",
          fmt::format("this valley was built without {}: install the package {} and configure it "
                      "again (valley --version lists the codecs)",
                      format, package)};
}

}  // namespace valley
