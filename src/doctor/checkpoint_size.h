// Disk space of checkpoints.
#pragma once

#include <cstdint>

namespace valley::doctor {

struct CheckpointSize {
  std::int64_t resolution = 0;
  std::uint64_t bytes = 0;                               // per checkpoint
  std::int64_t kept = 0;                                 // default of checkpoint.keep
  [[nodiscard]] std::uint64_t max_total_bytes() const {  // with one more being written
    return bytes * static_cast<std::uint64_t>(kept + 1);
  }
};

// For the default model of `valley train` at `resolution`, or at its default resolution if
// `resolution` is 0 or invalid.
[[nodiscard]] CheckpointSize default_checkpoint_size(std::int64_t resolution);

}  // namespace valley::doctor
