// How much space checkpoints take.
#pragma once

#include <cstdint>

namespace valley::doctor {

struct CheckpointSize {
  std::int64_t resolution = 0;
  std::uint64_t bytes = 0;                            // of one
  std::int64_t kept = 0;                              // checkpoint.keep's default
  [[nodiscard]] std::uint64_t bytes_of_all() const {  // while one more is being written
    return bytes * static_cast<std::uint64_t>(kept + 1);
  }
};

// Of the model that `valley train` makes by default, at `resolution`; 0, or one that no model has:
// the default resolution.
[[nodiscard]] CheckpointSize default_checkpoint_size(std::int64_t resolution);

}  // namespace valley::doctor
