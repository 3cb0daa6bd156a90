// Text for people and terminals.
#pragma once

#include <fmt/core.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace valley {

inline constexpr std::size_t kTerminalWidth = 100;  // columns that help and lists of keys keep to

// Bytes of the UTF-8 character that `text` begins with; 0 where it begins with none.
[[nodiscard]] std::size_t utf8_character_bytes(std::string_view text);
[[nodiscard]] bool is_utf8(std::string_view text);

// `text` with nothing in it that a terminal takes for a command: bytes that are not UTF-8, control
// characters other than newline and tab, and overrides of the text direction become "\x1B" or
// "\u202E". Other text is unchanged.
[[nodiscard]] std::string printable(std::string_view text);
// The same, and newlines and tabs are escaped too, so that a name stays on its line.
[[nodiscard]] std::string printable_line(std::string_view text);

// Prints to standard output what `printable` makes of the text.
template <typename... Args>
void print_to_stdout(fmt::format_string<Args...> format, Args&&... args) {
  fmt::print("{}", printable(fmt::format(format, std::forward<Args>(args)...)));
}

// Columns that UTF-8 text takes, at one a character.
[[nodiscard]] std::size_t columns(std::string_view text);

// Lines of at most `width` columns, broken at white space; a longer word stands alone.
[[nodiscard]] std::vector<std::string> wrap(std::string_view text, std::size_t width);

// Versions as CUDA and NCCL number them: 13000 is "13.0", 22809 is "2.28.9".
[[nodiscard]] std::string cuda_version_text(int version);
[[nodiscard]] std::string nccl_version_text(int version);

// "1 core", "3 cores": `word` with a plural s unless n is 1.
[[nodiscard]] std::string plural(std::int64_t n, std::string_view word);

}  // namespace valley
