// Letters of 5 x 8 dots, for words and numbers in pictures that need no font file.
#pragma once

#include <cstdint>

namespace valley {

inline constexpr std::int64_t kGlyphWidth = 5;
inline constexpr std::int64_t kGlyphHeight = 8;  // seven above the base line, one for descenders

// Whether the dot (x, y) of a character of ASCII is set; of any other an empty box's.
[[nodiscard]] bool glyph_dot(char character, std::int64_t x, std::int64_t y);

}  // namespace valley
