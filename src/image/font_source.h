// A font as a source of images: one image a glyph.
//
// Without code points: every glyph that shows something, in the order of the font, so sequences
// that no single code point reaches (flags, families) are there too. With code points: those, in
// the order given; one that the font lacks is a reject, never silent. Names are "U+1F600" where a
// code point leads to the glyph (the lowest, if several do), else "glyph-00123".
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "image/image_source.h"

namespace valley {

struct FontOptions {
  std::int64_t size = 256;             // wanted height of an image, in pixels
  bool on_white = true;                // background of what is transparent; ink is the opposite
  std::vector<char32_t> codepoints{};  // empty: all glyphs
};

// A path that exists, or the bare name of a file under the usual font folders (/usr/share/fonts,
// /usr/local/share/fonts, ~/.fonts, ~/.local/share/fonts, searched in this order). Otherwise
// kMissingInput naming what was searched and, for the emoji font, the package that brings it.
[[nodiscard]] std::filesystem::path find_font(const std::string& named);
// The same in folders of the caller's choice.
[[nodiscard]] std::filesystem::path find_font(const std::string& named,
                                              const std::vector<std::filesystem::path>& folders);

class FontSource final : public ImageSource {
 public:
  // Errors: kMissingInput, or kData when the file is no font.
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
