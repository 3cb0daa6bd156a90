// Options that determine the pixels of a decoded image file.
#pragma once

#include <cstdint>

namespace valley {

// Background of transparent pixels; kError rejects images that have any, kKeep keeps the channel
// alpha.
enum class Alpha { kOnWhite, kOnBlack, kError, kKeep };

struct DecodeOptions {
  Alpha alpha = Alpha::kOnWhite;
  bool apply_exif = true;
  friend bool operator==(const DecodeOptions&, const DecodeOptions&) = default;
};

// Everything that a reader needs to decode the files of a source as its build did.
struct FileDecoding {
  DecodeOptions options{};
  std::uint64_t max_pixels = 64'000'000;  // limit on the pixels of an image and, by
                                          // DecodeLimits::kBytesPerPixel, on its memory
  friend bool operator==(const FileDecoding&, const FileDecoding&) = default;
};

}  // namespace valley
