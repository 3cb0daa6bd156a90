// Letters of 5 x 8 dots, for text in images without a font file.
#pragma once

#include <cstdint>

namespace valley {

inline constexpr std::int64_t kGlyphWidth = 5;
inline constexpr std::int64_t kGlyphHeight = 8;  // seven above the baseline, one for descenders

// True if the dot (x, y) of an ASCII character is set; other characters are empty boxes.
[[nodiscard]] bool glyph_dot(char character, std::int64_t x, std::int64_t y);

}  // namespace valley
