// The names inside a folder of checkpoints. Used by checkpoint*.cpp only.
//
//   step-00000001                 a checkpoint, once it holds COMMIT
//   .tmp-step-00000001-...        being written or removed; worthless when its process is gone
//   .old-step-00000001            set aside while another checkpoint of the same step takes its
//   name: it counts as step-00000001 as long as there is no committed directory of that name
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

namespace valley {

inline constexpr const char* kCommitFile = "COMMIT";

[[nodiscard]] std::string checkpoint_name(std::int64_t step);  // "step-00000001"
[[nodiscard]] std::filesystem::path aside_path(const std::filesystem::path& folder,
                                               std::int64_t step);
[[nodiscard]] std::filesystem::path temporary_path(const std::filesystem::path& folder,
                                                   std::int64_t step, const std::string& purpose);

[[nodiscard]] bool is_committed(const std::filesystem::path& checkpoint);

// Removes what interrupted writers left and gives a checkpoint that was set aside its name back.
// Only for the one writer of the folder.
void clear_leftovers(const std::filesystem::path& folder);

}  // namespace valley
