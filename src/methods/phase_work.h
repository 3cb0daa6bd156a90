// Work of one phase of a step, per network and image: the terms of step_cost.
#pragma once

#include <map>
#include <string>

#include "nn/network.h"

namespace valley {

struct NetworkWork {
  double multiply_adds = 0;
  double traffic = 0;  // elements of activations and their gradients, written and read
};
using PhaseWork = std::map<std::string, NetworkWork>;  // by name of the network

// Elements moved per activation. Forward: one write, and one read by the next layer. Backward: the
// gradient is written, then read with the activation for gradients of inputs; both are read again
// for gradients of weights.
inline constexpr double kForwardTraffic = 2;
inline constexpr double kInputsTraffic = 3;
inline constexpr double kWeightsTraffic = 2;

// Passes through one network per image of the global batch.
struct Passes {
  double forward = 0;
  double to_inputs = 0;   // gradients of the layers' inputs
  double to_weights = 0;  // gradients of parameters
};
[[nodiscard]] NetworkWork work_from_passes(const Network& network, const Passes& passes);

}  // namespace valley
