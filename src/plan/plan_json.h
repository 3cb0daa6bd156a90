// The plan of --dry-run as JSON, for scripts.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "data/dataset.h"
#include "experiment/experiment.h"
#include "plan/cost_estimate.h"
#include "plan/run_plan.h"

namespace valley {

struct PlanDevices {
  std::string type;              // "cpu" or "cuda"
  std::int64_t usable_gpus = 0;  // GPUs that rank 0 could use; 0 when it computes on the CPU
  int ranks = 1;
  std::int64_t hosts = 1;
};

struct PlanFacts {
  PlanDevices devices;
  std::int64_t memory_per_rank = 0;  // bytes
  std::int64_t steps = 0;
  std::string launch;       // line of the text plan: "start: a new run in runs"
  std::string checkpoints;  // line of the text plan about the space that checkpoints need
  std::vector<std::string> warnings;
};

// One JSON object with sorted keys, one key per line. `model` may be a meta model (shapes only).
[[nodiscard]] std::string write_plan_json(const Schema& schema, const Model& model,
                                          const RunPlan& run, const CostEstimate& cost,
                                          const Dataset& dataset, const PlanFacts& facts);

}  // namespace valley
