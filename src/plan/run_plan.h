// The distribution of a job's work over ranks, its memory estimate, and the precision and threads
// of its ranks, all determined before anything is allocated.
#pragma once

#include "comm/world.h"
#include "experiment/experiment.h"
#include "plan/memory_plan.h"
#include "plan/microbatches.h"

namespace valley {

// Share of a rank's memory that plans use for parameters and activations.
inline constexpr double kMemoryShare = 0.8;

// train.precision, where kAuto is kTf32 on GPUs (kFp32 for networks that need it) and kFp32 on
// CPUs.
[[nodiscard]] TrainingPrecision precision_on(const Experiment& experiment, at::Device device);

// Sets this process's precision, determinism and threads from `experiment`; returns the number of
// threads.
int set_arithmetic_of(World& world, const Experiment& experiment);

struct RunPlan {
  MicrobatchPlan shares;
  MemoryPlan memory;
};

// Bytes of memory per rank: that of its GPU, or an equal share of its host's. This is the total,
// not the free memory, so that it is the same on every rank and in every launch.
[[nodiscard]] std::int64_t memory_per_rank(World& world);

// Collective; returns the same plan on every rank and in every launch. Rank 0 warns if memory may
// run out and about settings that are known to train badly. Errors: those of plan_microbatches and
// require_parameters_fit.
[[nodiscard]] RunPlan plan_run(World& world, const Experiment& experiment);

}  // namespace valley
