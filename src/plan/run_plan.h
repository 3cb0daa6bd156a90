// How a job's ranks share its work, and how they compute: settled before anything is allocated.
#pragma once

#include "comm/world.h"
#include "experiment/experiment.h"
#include "plan/memory_plan.h"
#include "plan/microbatches.h"

namespace valley {

inline constexpr double kMemoryShare = 0.8;  // of a rank's memory, for parameters and activations

// train.precision, where kAuto is kTf32 on GPUs (kFp32 for networks that need it) and kFp32 on
// CPUs.
[[nodiscard]] TrainingPrecision precision_on(const Experiment& experiment, at::Device device);

// Sets this process's precision, determinism and threads as `experiment` says; returns the threads.
int set_arithmetic_of(World& world, const Experiment& experiment);

struct RunPlan {
  MicrobatchPlan shares;
  MemoryPlan memory;
};

// Bytes of memory that each rank can use: its GPU's, or an equal share of its host's. Of the whole
// memory, not of the free part: it must be the same on every rank and at every launch.
[[nodiscard]] std::int64_t memory_per_rank(World& world);

// Collective, the same on every rank and in every start. Warns (rank 0) of memory that may run out
// and of settings that are known to go astray. Errors: those of plan_microbatches, and
// kOutOfMemory for parameters that no microbatch helps.
[[nodiscard]] RunPlan plan_run(World& world, const Experiment& experiment);

}  // namespace valley
