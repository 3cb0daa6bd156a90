// Estimated cost of a step: work, all-reduce time and GPU memory, for the reports of --dry-run.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "experiment/experiment.h"
#include "plan/run_plan.h"
#include "plan/step_cost.h"

namespace valley {

// The ranks and the network to estimate all-reduce for; they may differ from those of this job.
struct ReductionQuestion {
  int ranks = 0;                // 0: the ranks of this job, or 8 if it has one rank
  double bus_bandwidth = 10e9;  // bytes/s, as nccl-tests and `valley bench allreduce` count it
};

struct ReductionEstimate {
  int ranks = 0;
  double bytes = 0;  // per step and rank, in the stage that reduces most
  double bus_bandwidth = 0;
  double seconds = 0;  // per step, without latencies
};

// Memory on GPUs at one training precision.
struct GpuEstimate {
  std::string precision;
  std::int64_t peak_bytes = 0;
  struct LargestMicrobatch {
    std::int64_t gigabytes = 0;  // memory of the GPU
    std::int64_t images = 0;
  };
  std::vector<LargestMicrobatch> largest_microbatches;
};

struct CostEstimate {
  std::vector<StageCost> stages;               // empty for models without a count of their work
  std::optional<ReductionEstimate> reduction;  // absent without `stages`
  std::int64_t reduced_bytes = 0;              // per step on the ranks of this job
  std::int64_t peak_bytes = 0;                 // per rank of this job
  std::vector<GpuEstimate> gpus;
};

// `model` may be a meta model (shapes only).
[[nodiscard]] CostEstimate estimate_cost(const Model& model, const Experiment& experiment,
                                         const RunPlan& run, const ReductionQuestion& question);

}  // namespace valley
