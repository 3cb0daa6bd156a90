// What is asked before the first step, and by --dry-run: whether a training's checkpoints find room
// where it would write them, whether its settings are known to go astray. Rank 0's work.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "experiment/experiment.h"

namespace valley {

// What the checkpoints of one start need.
struct CheckpointNeed {
  std::int64_t bytes = 0;  // of one
  std::int64_t more = 0;   // how many more lie on the disk at most than do now; saving one precedes
                           // the removal of the oldest
  bool keeps_all = false;  // checkpoint.keep = 0: `more` grows with the length
};

// Of a start at step `first` of `steps` with `present` checkpoints in its folder.
[[nodiscard]] CheckpointNeed checkpoint_need(std::int64_t bytes, const CheckpointOptions& options,
                                             std::int64_t first, std::int64_t steps,
                                             std::int64_t present);

// Error kCannotWrite naming `folder`, the bytes needed and those free when there is no room; with
// keeps_all only when there is none for a single one, else a warning.
void require_checkpoint_space(const std::filesystem::path& folder, const CheckpointNeed& need);

// "checkpoints: at most 4 more of 12.0 MiB each at a time; 70.1 GiB free in runs"
[[nodiscard]] std::string describe_space(const std::filesystem::path& folder,
                                         const CheckpointNeed& need);

}  // namespace valley
