// What a step costs, for people: the part of --dry-run that compares a training with machines.
#pragma once

#include <string>

#include "experiment/experiment.h"
#include "plan/run_plan.h"

namespace valley {

// The ranks and the network that a plan is asked about, which need not be those at hand.
struct ReductionQuestion {
  int ranks = 0;                // 0: those of this job, or 8 where it has one
  double bus_bandwidth = 10e9;  // bytes/s, as nccl-tests and `valley bench allreduce` count it
};

// FLOPs and bytes a step, by stage where stages differ, what all-reduce takes, and the microbatches
// that common sizes of GPU memory hold. Comments of TOML. `model` may be an outline.
[[nodiscard]] std::string describe_cost(const Model& model, const Experiment& experiment,
                                        const RunPlan& run, const ReductionQuestion& question);

}  // namespace valley
