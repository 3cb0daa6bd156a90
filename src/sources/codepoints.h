// Lists of Unicode code points: "2639-263A,1F600-1F637,U+1F9D0".
#pragma once

#include <string>
#include <vector>

namespace valley {

// Hexadecimal numbers and inclusive ranges, with or without "U+", separated by commas; in the order
// given, without repetitions. Errors: kUsage naming the invalid part.
[[nodiscard]] std::vector<char32_t> parse_codepoints(const std::string& text);

[[nodiscard]] std::string codepoint_name(char32_t codepoint);  // "U+1F600"

}  // namespace valley
