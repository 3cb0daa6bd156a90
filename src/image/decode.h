// A file's bytes to an image: the format found by its content, turned by EXIF, alpha composited.
#pragma once

#include <string_view>
#include <variant>

#include "image/decode_limits.h"
#include "image/image.h"
#include "image/image_source.h"

namespace valley {

// Background of transparent pixels; kError rejects images that have any, kKeep keeps the channel
// alpha.
enum class Alpha { kWhite, kBlack, kError, kKeep };

struct DecodeOptions {
  Alpha alpha = Alpha::kWhite;
  bool apply_exif = true;
};

// What a file is by its first bytes. What is no image is kUnknown, whatever its name.
enum class Format { kJpeg, kPng, kWebp, kUnknown };
[[nodiscard]] Format format_of(std::string_view file);

// Gray files give one channel, all others three, and one more with kKeep where they have alpha.
// Over a background b, a colour c of alpha a is (c a + b (255 - a)) / 255, rounded to the nearest.
// Never throws for what the bytes hold: each flaw is a Reject (docs/sharding.md lists the reasons).
[[nodiscard]] std::variant<Image, Reject> decode_image(std::string_view file,
                                                       const DecodeOptions& options,
                                                       DecodeLimits& limits);

// That a file cannot be read because its codec was left out of this program.
[[nodiscard]] Reject missing_codec(std::string_view format, std::string_view package);

}  // namespace valley
