// Text for messages and terminals.
#pragma once

#include <fmt/core.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace valley {

inline constexpr std::size_t kTerminalWidth = 100;  // columns of help texts and lists of keys

// Length of the UTF-8 character at the start of `text`, in bytes; 0 if there is none.
[[nodiscard]] std::size_t utf8_character_bytes(std::string_view text);
[[nodiscard]] bool is_utf8(std::string_view text);

// `text` without terminal commands: bytes that are not UTF-8, control characters other than newline
// and tab, and overrides of the text direction become "\x1B" or "\u202E".
[[nodiscard]] std::string printable(std::string_view text);
// The same with newlines and tabs escaped too, so that a name stays on one line.
[[nodiscard]] std::string printable_line(std::string_view text);

// Prints `printable` of the formatted text to standard output.
template <typename... Args>
void print_to_stdout(fmt::format_string<Args...> format, Args&&... args) {
  fmt::print("{}", printable(fmt::format(format, std::forward<Args>(args)...)));
}

// Path as UTF-8 without control characters: other bytes, and '\', become "\xNN", so that different
// paths have different names.
[[nodiscard]] std::string escaped_name(std::string_view path);

// Width of UTF-8 text in columns, one per character.
[[nodiscard]] std::size_t columns(std::string_view text);

// Lines of at most `width` columns, broken at white space; a longer word is a line of its own.
[[nodiscard]] std::vector<std::string> wrap(std::string_view text, std::size_t width);

// Versions in the encoding of CUDA and NCCL: 13000 is "13.0", 22809 is "2.28.9".
[[nodiscard]] std::string cuda_version_text(int version);
[[nodiscard]] std::string nccl_version_text(int version);

// "1 core", "3 cores": `word` with a plural s unless n is 1.
[[nodiscard]] std::string plural(std::int64_t n, std::string_view word);

// "21.0 MiB", in powers of 1024; below 1 KiB "512 bytes".
[[nodiscard]] std::string format_bytes(std::uint64_t bytes);

// Text before the first newline.
[[nodiscard]] std::string first_line(std::string_view text);

// "a, b, c" or, with more than `max_items`, "a, b and 3 more".
[[nodiscard]] std::string join_up_to(std::size_t max_items, const std::vector<std::string>& items);

// Time now in UTC: "2026-01-31T12:00:00Z".
[[nodiscard]] std::string utc_now();

}  // namespace valley
