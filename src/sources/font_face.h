// A font file opened with FreeType at one size: glyphs as images, by index.
//
// Color bitmaps (CBDT, sbix) come unscaled from the smallest strike that is at least the requested
// size, else from the largest. Outlines are drawn antialiased into a square cell whose height is
// ascent plus descent, so that letters keep their baseline, and centered horizontally. The cell
// grows about its center if ink exceeds it. Plain outlines and gray bitmaps have one channel,
// colored glyphs three. One thread at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "image/image.h"
#include "image/image_source.h"

namespace valley {

class FontFace {
 public:
  // `bytes`: content of the file, which must outlive the face; `name`: for messages; `size`:
  // requested height of an image in pixels. Black ink on white, or the reverse. Errors: kData if
  // FreeType cannot read it.
  FontFace(std::shared_ptr<const std::string> bytes, std::string name, std::int64_t size,
           bool on_white);
  ~FontFace();
  FontFace(FontFace&&) noexcept;
  FontFace& operator=(FontFace&&) = delete;

  [[nodiscard]] std::uint32_t glyph_count() const;
  // 0 if the font has no glyph.
  [[nodiscard]] std::uint32_t glyph_of(char32_t codepoint) const;
  // Lowest code point of each glyph, 0 if there is none.
  [[nodiscard]] std::vector<char32_t> codepoint_of_glyphs() const;
  // True if the glyph has ink; cheap, because nothing is decoded.
  [[nodiscard]] bool has_ink(std::uint32_t glyph) const;
  [[nodiscard]] std::variant<Image, Reject> render(std::uint32_t glyph) const;

 private:
  struct Handles;
  void choose_size(std::int64_t size);
  [[nodiscard]] std::optional<Reject> check_size(std::uint32_t glyph) const;
  [[nodiscard]] Image draw_in_cell() const;
  std::shared_ptr<const std::string> bytes_;
  std::string name_;
  std::unique_ptr<Handles> handles_;
  bool on_white_;
  bool uses_strikes_ = false;
  std::int64_t cell_ = 0;      // pixels
  std::int64_t baseline_ = 0;  // distance from the top of the cell
};

}  // namespace valley
