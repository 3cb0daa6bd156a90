// What is checked of a place before anything is written there. Nothing is made.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>

namespace valley {

// Bytes that may be written below `path`, which need not exist yet; nothing where the file system
// does not say.
[[nodiscard]] std::optional<std::uint64_t> free_bytes(const std::filesystem::path& path);

// Error kCannotWrite naming what is in the way when `path` is no directory in which files can be
// made and none can be made of that name.
void require_directory_possible(const std::filesystem::path& path);

}  // namespace valley
