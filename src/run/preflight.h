// Disk space check for checkpoints, before the first step and in --dry-run. Runs on rank 0.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "experiment/experiment.h"

namespace valley {

// Space needed by the checkpoints of one launch.
struct CheckpointNeed {
  std::int64_t bytes = 0;  // per checkpoint
  std::int64_t more = 0;   // max number of checkpoints beyond those on disk now; a new one is saved
                           // before the oldest is removed
  bool keeps_all = false;  // checkpoint.keep = 0: `more` grows with the number of steps
};

// For a launch at step `first` of `steps` with `present` checkpoints in its folder.
[[nodiscard]] CheckpointNeed checkpoint_need(std::int64_t bytes, const CheckpointOptions& options,
                                             std::int64_t first, std::int64_t steps,
                                             std::int64_t present);

// Error kCannotWrite with `folder`, bytes needed and bytes free if there is not enough space. With
// keeps_all: an error only if there is no space for one checkpoint, otherwise a warning.
void require_checkpoint_space(const std::filesystem::path& folder, const CheckpointNeed& need);

// "checkpoints: at most 4 more of 12.0 MiB each at a time; 70.1 GiB free in runs"
[[nodiscard]] std::string describe_space(const std::filesystem::path& folder,
                                         const CheckpointNeed& need);

}  // namespace valley
