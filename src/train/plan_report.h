// What training will take: the tables that --dry-run prints and the estimate that bounds
// microbatches.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "data/dataset.h"
#include "train/trainer.h"

namespace valley {

struct MemoryPlan {
  std::int64_t parameters =
      0;  // bytes: values, gradients, the optimizer's moments, averages, reduction scratch
  std::int64_t per_image =
      0;  // bytes of activations kept for the backward pass of one image (an estimate)
  std::int64_t reduced_per_step = 0;  // bytes through all-reduce
  std::int64_t checkpoint = 0;        // bytes of one on disk
  std::int64_t replay = 0;  // bytes of a replay buffer, shared out to the ranks; 0: there is none
};
// `model` may be an outline.
[[nodiscard]] MemoryPlan plan_memory(const Model& model, const Experiment& experiment);

[[nodiscard]] std::string bytes_text(std::int64_t bytes);  // "21.0 MiB"
// `text` as lines that TOML takes for comments.
[[nodiscard]] std::string as_comments(std::string_view text);

// Networks with shapes and parameter counts, data, microbatches, memory a rank, bytes reduced a
// step, for people.
[[nodiscard]] std::string describe_plan(const Model& model, const Experiment& experiment,
                                        const MicrobatchPlan& plan, const Dataset& dataset,
                                        std::int64_t steps);

}  // namespace valley
