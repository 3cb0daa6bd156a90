// A font file opened with FreeType, at one size: glyphs by index, as images.
//
// Colour bitmaps (CBDT, sbix) come from the smallest strike that is at least as large as wanted,
// else the largest, as they are. Outlines are drawn antialiased into a square cell that the line's
// ascent and descent fill from top to bottom, so letters keep their baseline; the ink is centred
// from left to right. Where ink leaves the cell, the cell grows about its centre to hold it. Plain
// outlines and gray bitmaps give one channel, what has colour three. One thread at a time.
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
  // `bytes` is the file's content, which lives as long as the face; `name` is for messages; `size`
  // is the wanted height of an image in pixels. White background and black ink, or the reverse.
  // Errors: kData when FreeType cannot read it.
  FontFace(std::shared_ptr<const std::string> bytes, std::string name, std::int64_t size,
           bool on_white);
  ~FontFace();
  FontFace(FontFace&&) noexcept;
  FontFace& operator=(FontFace&&) = delete;

  [[nodiscard]] std::uint32_t glyph_count() const;
  // 0: the font has none.
  [[nodiscard]] std::uint32_t glyph_of(char32_t codepoint) const;
  // For each glyph the lowest code point that leads to it, 0 where none does.
  [[nodiscard]] std::vector<char32_t> codepoint_of_glyphs() const;
  // Whether it would show anything; cheap, as nothing is decoded.
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
  std::int64_t baseline_ = 0;  // from the top of the cell
};

}  // namespace valley
