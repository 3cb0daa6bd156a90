// Checks of a path before anything is written there. They create nothing.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>

namespace valley {

// Free bytes at `path`, which need not exist; nullopt if the file system does not report them.
[[nodiscard]] std::optional<std::uint64_t> free_bytes(const std::filesystem::path& path);

// Error kCannotWrite with the reason unless `path` is a writable directory or can be created.
void require_directory_possible(const std::filesystem::path& path);

}  // namespace valley
