// Division of the global batch into microbatches and their distribution over ranks.
#pragma once

#include <cstdint>

#include "core/config.h"

namespace valley {

struct MicrobatchPlan {
  std::int64_t global_batch = 0;
  std::int64_t size = 0;      // images per microbatch
  std::int64_t per_rank = 0;  // microbatches per rank and step
  int ranks = 1;

  [[nodiscard]] std::int64_t count() const { return per_rank * ranks; }
  [[nodiscard]] std::int64_t share() const { return per_rank * size; }  // images per rank and step
  [[nodiscard]] double weight() const {
    return static_cast<double>(size) / static_cast<double>(global_batch);
  }
};

// Without `wanted` each rank's share is one microbatch. Error kConfig, naming the nearest batch
// size or number of ranks that works, if the microbatches cannot be divided evenly among the ranks
// or, with `reproducible`, if the number of ranks or microbatches is not a power of two (each
// rank's share must be a subtree of one binary tree).
[[nodiscard]] MicrobatchPlan plan_microbatches(std::int64_t global_batch, AutoInt wanted, int ranks,
                                               bool reproducible);

// `plan` with its microbatch size reduced until it fits into `free_bytes`, or to 1 if nothing fits.
// Only for objectives that do not couple samples.
[[nodiscard]] MicrobatchPlan fit_to_memory(const MicrobatchPlan& plan, std::int64_t bytes_per_image,
                                           std::int64_t free_bytes);

}  // namespace valley
