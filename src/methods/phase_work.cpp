#include "methods/phase_work.h"

namespace valley {

NetworkWork work_from_passes(const Network& network, const Passes& p) {
  double multiply_adds = 0;
  double activations = 0;
  for (const LayerInfo& layer : network.layers()) {
    multiply_adds += static_cast<double>(layer.multiply_adds);
    activations += static_cast<double>(layer.activations);
  }
  return {multiply_adds * (p.forward + p.to_inputs + p.to_weights),
          activations * (kForwardTraffic * p.forward + kInputsTraffic * p.to_inputs +
                         kWeightsTraffic * p.to_weights)};
}

}  // namespace valley
