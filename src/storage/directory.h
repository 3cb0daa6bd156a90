// Operations on directories; failures are Errors naming the path.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace valley {

// Creates `path` and its missing parents, durably.
void make_directories(const std::filesystem::path& path);

// False if `path` exists; Error for other failures.
[[nodiscard]] bool make_directory(const std::filesystem::path& path);

void rename_entry(const std::filesystem::path& from, const std::filesystem::path& to);

// Removes `path` recursively and ignores failures: for leftovers that only use space.
void remove_tree(const std::filesystem::path& path) noexcept;

// Sorted names in a directory; empty if it does not exist.
[[nodiscard]] std::vector<std::string> entry_names(const std::filesystem::path& directory);

// Value of `text` if it consists of at least `min_digits` digits and fits.
[[nodiscard]] std::optional<std::int64_t> parse_digits(std::string_view text,
                                                       std::size_t min_digits);

}  // namespace valley
