// TOML parsing with a depth limit, because the parser builds and frees tables recursively.
#pragma once

#include <toml++/toml.h>

#include <cstddef>
#include <string>
#include <string_view>

namespace valley {

inline constexpr std::size_t kMaxTomlDepth = 100;  // nested values, and dots in one key

// `text` of `file` as a table. Error kConfig if it is not TOML or too deep:
// "run.toml:3:7: why". Lines and columns count from 1.
[[nodiscard]] toml::table parse_toml(std::string_view text, const std::string& file);

}  // namespace valley
