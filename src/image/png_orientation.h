// Orientation in the chunks of a PNG, as in Pillow 9.4: from eXIf or a text "exif"; else from
// ImageMagick's text "Raw profile type exif"; else, if that EXIF has no orientation, from XMP.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace valley {

// Receives chunks in the order of the file. Chunks after the first IDAT count only if none before
// it holds EXIF; of several chunks of a kind the last one counts. Decompresses texts up to 1 MiB
// each and 64 MiB in total; ignores longer ones.
class PngOrientation {
 public:
  // True for a chunk that `add` reads, whose CRC must be correct.
  [[nodiscard]] bool takes(std::string_view type, std::string_view data);
  void add(std::string_view type, std::string_view data);
  [[nodiscard]] int value() const;  // 1 to 8

 private:
  bool is_closed_ = false;
  std::size_t budget_ = std::size_t{64} << 20U;  // bytes that may still be decompressed
  std::optional<std::string> exif_;
  std::optional<std::string> raw_profile_;  // hexadecimal, after a header of three lines
  std::string xmp_;
};

}  // namespace valley
