// What a phase does with one network, an image: what step_cost adds up.
#pragma once

#include <map>
#include <string>

namespace valley {

struct NetworkWork {
  double multiply_adds = 0;
  double traffic = 0;  // numbers written and read, of activations and of their gradients
};
using PhaseWork = std::map<std::string, NetworkWork>;  // by name of the network

// Forward, a number is written and read again. On the way back its gradient is written, and read
// with the number itself for the inputs' gradients, and both once more for the weights'.
inline constexpr double kForwardTraffic = 2;
inline constexpr double kInputsTraffic = 3;
inline constexpr double kWeightsTraffic = 2;

}  // namespace valley
