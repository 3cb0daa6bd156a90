// How a global batch is cut into microbatches and these are shared out to ranks.
#pragma once

#include <cstdint>

#include "core/config.h"

namespace valley {

struct MicrobatchPlan {
  std::int64_t global_batch = 0;
  std::int64_t size = 0;      // images a microbatch
  std::int64_t per_rank = 0;  // microbatches of each rank
  int ranks = 1;

  [[nodiscard]] std::int64_t count() const { return per_rank * ranks; }
  [[nodiscard]] std::int64_t share() const { return per_rank * size; }  // images of a rank a step
  [[nodiscard]] double weight() const {
    return static_cast<double>(size) / static_cast<double>(global_batch);
  }
};

// With `wanted` empty each rank takes its share in one pass. Error kConfig, naming the nearest
// batch or number of ranks that works, when the ranks cannot share the microbatches evenly or, with
// `reproducible`, when ranks or microbatches are no power of two (each rank's share must be a
// subtree of one binary tree).
[[nodiscard]] MicrobatchPlan plan_microbatches(std::int64_t global_batch, AutoInt wanted, int ranks,
                                               bool reproducible);

// The plan with the largest passes that `free_bytes` allow, given what one image needs; as it is
// where nothing has to shrink, passes of one image where nothing fits. Only for objectives that do
// not couple samples.
[[nodiscard]] MicrobatchPlan fit_to_memory(const MicrobatchPlan& plan, std::int64_t bytes_per_image,
                                           std::int64_t free_bytes);

}  // namespace valley
