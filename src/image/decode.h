// Decodes the bytes of an image file: detects the format, applies the EXIF orientation, composites
// alpha.
#pragma once

#include <string_view>
#include <variant>

#include "image/decode_limits.h"
#include "image/decode_options.h"
#include "image/image.h"
#include "image/image_source.h"

namespace valley {

// Format of a file by its first bytes, regardless of its name.
enum class Format { kJpeg, kPng, kWebp, kUnknown };
[[nodiscard]] Format format_of(std::string_view file);

// Gray files give one channel, others three, plus alpha with kKeep if they have it. Over a
// background b, a color c of alpha a becomes (c a + b (255 - a)) / 255, rounded to nearest. Never
// throws because of the contents: invalid files are Rejects (docs/sharding.md lists the reasons).
[[nodiscard]] std::variant<Image, Reject> decode_image(std::string_view file,
                                                       const DecodeOptions& options,
                                                       DecodeLimits& limits);

// Reject for a file whose codec this build lacks.
[[nodiscard]] Reject missing_codec(std::string_view format, std::string_view package);

}  // namespace valley
