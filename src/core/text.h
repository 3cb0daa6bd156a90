// Text for people and terminals.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace valley {

inline constexpr std::size_t kTerminalWidth = 100;  // columns that help and lists of keys keep to

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
