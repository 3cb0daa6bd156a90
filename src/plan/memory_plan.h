// What a training keeps in memory and on disk, counted before anything is allocated: the estimate
// that bounds microbatches.
#pragma once

#include <c10/core/DeviceType.h>

#include <cstdint>

#include "experiment/experiment.h"
#include "nn/model.h"
#include "plan/microbatches.h"

namespace valley {

struct MemoryPlan {
  // Bytes: values, gradients, the optimizer's moments, averages, the bfloat16 shadow, what
  // reproducible sums need.
  std::int64_t parameters = 0;
  std::int64_t per_image = 0;   // bytes of a pass for each image of a microbatch
  std::int64_t checkpoint = 0;  // bytes of one on disk
  std::int64_t replay = 0;  // bytes of a replay buffer, shared out to the ranks; 0: there is none
};

// Bytes of a pass for each image where its tensors take most, while the backward pass goes through
// all networks: what the layers before it keep, in the type that they compute in, gradients on the
// way, and images. Tensors alone, whatever an allocator adds. `model` may be an outline.
[[nodiscard]] std::int64_t pass_bytes_an_image(const Model& model, const Experiment& experiment);

// On ranks of `device`, what their allocator wastes included. `model` may be an outline.
[[nodiscard]] MemoryPlan plan_memory(const Model& model, const Experiment& experiment,
                                     at::DeviceType device = at::kCPU);

// Bytes that a rank is estimated to take at the peak of a step, the program itself aside.
[[nodiscard]] std::int64_t peak_bytes(const MemoryPlan& memory, const MicrobatchPlan& plan);

}  // namespace valley
