// Estimate of the memory and disk space of a training, made before anything is allocated; it limits
// the microbatch size.
#pragma once

#include <c10/core/DeviceType.h>

#include <cstdint>

#include "experiment/experiment.h"
#include "nn/model.h"
#include "plan/microbatches.h"

namespace valley {

struct MemoryPlan {
  // Bytes per rank of values, gradients, the optimizer's moments, averages, the bf16 copy of the
  // weights, and the partial sums of reproducible training.
  std::int64_t parameters = 0;
  std::int64_t per_image = 0;   // bytes of activations per image of a microbatch
  std::int64_t checkpoint = 0;  // bytes of one checkpoint on disk
  std::int64_t replay = 0;      // bytes of the replay buffer, all ranks together; 0: no buffer
};

// Bytes per image at the peak of the backward pass through all networks: saved activations in the
// compute type, gradients of activations, and images. Allocator overhead is not included. `model`
// may be a meta model (shapes only).
[[nodiscard]] std::int64_t pass_bytes_per_image(const Model& model, const Experiment& experiment);

// The plan for ranks on `device`, with allocator overhead. `model` may be a meta model (shapes
// only).
[[nodiscard]] MemoryPlan plan_memory(const Model& model, const Experiment& experiment,
                                     at::DeviceType device = at::kCPU);

// Estimated bytes that a rank needs at the peak of a step, without the program itself.
[[nodiscard]] std::int64_t peak_bytes(const MemoryPlan& memory, const MicrobatchPlan& plan);

}  // namespace valley
