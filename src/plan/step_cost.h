// FLOPs, memory traffic and all-reduce bytes of a step, computed from the networks' sizes. They do
// not depend on the kernels, so that they can be compared with the peak rates of the hardware.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "experiment/experiment.h"
#include "nn/model.h"

namespace valley {

struct StepCost {
  double flops = 0;  // of convolutions and matrix products, 2 per multiply-add; all ranks together
  // Activations and parameters, read and written once per use; all ranks together.
  double bytes = 0;
  double gradients = 0;  // bytes that each rank all-reduces if there are several ranks
};
// The cost of a step of `stage` with the global batch on `ranks` ranks; nullopt for models without
// a cost formula. `model` may be a meta model (shapes only). The count includes the gradient of the
// first layer's input, which D's update does not need: less than 1 % of these networks. Deep belief
// networks: see methods/dbn/cost.h.
[[nodiscard]] std::optional<StepCost> step_cost(const Model& model, const Experiment& experiment,
                                                const Stage& stage, int ranks);

// The cost of a step in all stages that run the same phases.
struct StageCost {
  std::string stage;  // the shortest of their names
  StepCost cost;
};
// One entry per distinct list of phases, in training order.
[[nodiscard]] std::vector<StageCost> stage_costs(const Model& model, const Experiment& experiment,
                                                 int ranks);

// Seconds of an all-reduce of `bytes` over `ranks` at a bus bandwidth in bytes/s, without latency.
// As in nccl-tests, bus bandwidth counts 2 (n - 1) / n times the bytes.
[[nodiscard]] double all_reduce_seconds(double bytes, int ranks, double bus_bandwidth);

}  // namespace valley
