// A font as a source of images: one image per glyph.
//
// Without code points: every glyph with ink, in the order of the font, including glyphs of
// sequences (flags, families). With code points: those, in the order given; a code point without a
// glyph is a reject. Names are "U+1F600" for glyphs with a code point (the lowest, if there are
// several), else "glyph-00123".
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "image/image_source.h"

namespace valley {

struct FontOptions {
  std::int64_t size = 256;             // requested height of an image, in pixels
  bool on_white = true;                // white background and black ink, or the reverse
  std::vector<char32_t> codepoints{};  // empty: all glyphs
};

// A path that exists, or the bare name of a file under the usual font folders (/usr/share/fonts,
// /usr/local/share/fonts, ~/.fonts, ~/.local/share/fonts, searched in this order). Otherwise
// Error kMissingInput naming the searched folders and, for the emoji font, its package.
[[nodiscard]] std::filesystem::path find_font(const std::string& named);
// The same in the given folders.
[[nodiscard]] std::filesystem::path find_font(const std::string& named,
                                              const std::vector<std::filesystem::path>& folders);

class FontSource final : public ImageSource {
 public:
  // Errors: kMissingInput, or kData if the file is not a font.
  FontSource(const std::filesystem::path& file, FontOptions options);

  [[nodiscard]] std::uint64_t size() const override { return entries_.size(); }
  [[nodiscard]] std::string name(std::uint64_t index) const override {
    return entries_[index].name;
  }
  [[nodiscard]] std::int64_t label(std::uint64_t) const override { return -1; }
  [[nodiscard]] std::vector<std::string> class_names() const override { return {}; }
  [[nodiscard]] std::string identity_json() const override;
  [[nodiscard]] std::unique_ptr<ImageReader> open_reader() const override;

 private:
  struct Entry {
    std::string name;
    std::uint32_t glyph;  // 0: the font has none for this code point
  };
  std::string file_name_;
  FontOptions options_;
  std::shared_ptr<const std::string> bytes_;
  std::vector<Entry> entries_;
};

}  // namespace valley
