// The names inside a folder of checkpoints. Used by checkpoint*.cpp only.
//
//   step-00000001                 a checkpoint, once it holds COMMIT
//   .tmp-step-00000001-...        being written or removed; a leftover if its process has ended
//   .old-step-00000001            previous checkpoint of the same step while it is replaced: counts
//                                 as step-00000001 until a committed directory has that name
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

namespace valley {

inline constexpr const char* kCommitFile = "COMMIT";
inline constexpr const char* kHealthyFile = "HEALTHY";

[[nodiscard]] std::string checkpoint_name(std::int64_t step);  // "step-00000001"
[[nodiscard]] std::filesystem::path aside_path(const std::filesystem::path& folder,
                                               std::int64_t step);
[[nodiscard]] std::filesystem::path temporary_path(const std::filesystem::path& folder,
                                                   std::int64_t step, const std::string& purpose);

[[nodiscard]] bool is_committed(const std::filesystem::path& checkpoint);

// Removes leftovers of interrupted writers and renames an .old-step checkpoint back. Only for the
// single writer of the folder.
void clear_leftovers(const std::filesystem::path& folder);

}  // namespace valley
