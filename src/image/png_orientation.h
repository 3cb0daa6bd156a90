// The orientation that a PNG's chunks tell, as Pillow 9.4 reads them: eXIf, or a text "exif"; else
// ImageMagick's text "Raw profile type exif"; and where that EXIF has no orientation, XMP.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace valley {

// Gets the chunks in the order of the file. Chunks after the first IDAT count only where none
// before it holds EXIF, and of several of a kind the last one does. Compressed texts are unpacked
// up to 1 MiB each and 64 MiB in all; longer ones tell nothing.
class PngOrientation {
 public:
  // True for a chunk that `add` reads, whose CRC must then be right.
  [[nodiscard]] bool takes(std::string_view type, std::string_view data);
  void add(std::string_view type, std::string_view data);
  [[nodiscard]] int value() const;  // 1 to 8

 private:
  bool is_closed_ = false;
  std::size_t budget_ = std::size_t{64} << 20U;  // bytes that may still be unpacked
  std::optional<std::string> exif_;
  std::optional<std::string> raw_profile_;  // hexadecimal, below three lines of a header
  std::string xmp_;
};

}  // namespace valley
