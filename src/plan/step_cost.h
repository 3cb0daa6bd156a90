// What a step has to compute, move and reduce, from the networks' sizes: the same whatever way it
// is computed in, so that it can be held against what a machine can do.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "experiment/experiment.h"
#include "nn/model.h"

namespace valley {

struct StepCost {
  double flops = 0;  // 2 a multiply-add, of convs and matrix products, over all ranks
  double bytes =
      0;  // activations and parameters, read and written once for each use, over all ranks
  double gradients = 0;  // bytes that each rank gives to all-reduce, where there are several
};
// Of a step of `stage` for the whole global batch on `ranks` ranks; nothing for models whose passes
// nobody has counted. `model` may be an outline. The gradient of the first layer's input, which
// nobody needs in D's update, is counted: less than 1 % of these networks. Deep belief networks:
// see dbn_work.h.
[[nodiscard]] std::optional<StepCost> step_cost(const Model& model, const Experiment& experiment,
                                                const Stage& stage, int ranks);

// Stages that run the same phases cost the same.
struct StageCost {
  std::string stage;  // the shortest of their names
  StepCost cost;
};
// Of each kind of step that a training has, in the order in which it comes to them.
[[nodiscard]] std::vector<StageCost> stage_costs(const Model& model, const Experiment& experiment,
                                                 int ranks);

// Seconds of an all-reduce of `bytes` over `ranks` at a bus bandwidth in bytes/s, which counts
// 2 (n - 1) / n times the bytes as nccl-tests does; latencies are left out.
[[nodiscard]] double all_reduce_seconds(double bytes, int ranks, double bus_bandwidth);

}  // namespace valley
