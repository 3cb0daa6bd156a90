// Operations on directories whose failures are Errors that name the path.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace valley {

// Makes `path` and its missing parents, durably.
void make_directories(const std::filesystem::path& path);

// False when `path` exists already; another failure is an Error.
[[nodiscard]] bool make_directory(const std::filesystem::path& path);

void rename_entry(const std::filesystem::path& from, const std::filesystem::path& to);

// Removes `path` with all below it. What cannot be removed stays: for leftovers that only cost
// space.
void remove_tree(const std::filesystem::path& path) noexcept;

// The names in a directory, sorted; none when it does not exist.
[[nodiscard]] std::vector<std::string> entry_names(const std::filesystem::path& directory);

// The number in `text` when it is all digits, at least `min_digits` of them, and fits.
[[nodiscard]] std::optional<std::int64_t> parse_digits(std::string_view text,
                                                       std::size_t min_digits);

}  // namespace valley
