// Energies with analytic gradients, for tests of samplers and optimizers.
#pragma once

#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>

#include "nn/model.h"

namespace valley::testing {

// E(x) = stiffness / 2 * sum over pixels of (x - mean)^2. Its one parameter is `mean`, [C].
class QuadraticEnergy : public EnergyNetwork {
 public:
  QuadraticEnergy(std::int64_t channels, double mean, double stiffness)
      : EnergyNetwork(at::kCPU),
        stiffness_(stiffness),
        mean_(parameters_.add("mean", {channels}, Initializer::constant(mean))) {
    parameters_.initialize(0, "");
  }
  [[nodiscard]] std::vector<LayerInfo> layers() const override { return {}; }
  [[nodiscard]] at::Tensor forward(const at::Tensor& x) const override {
    return at::square(x - mean_.view({1, -1, 1, 1})).flatten(1).sum(1) * (stiffness_ / 2);
  }

 private:
  double stiffness_;
  at::Tensor mean_;
};

}  // namespace valley::testing
