// A factor of the gradients that backward passes add to a network's parameters.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>

#include "methods/adversarial/autoencoder_gan.h"

namespace valley {

// While a Scope lives, backward passes add `factor` times their gradients to those of the network.
// Only one product is in memory at a time besides the gradients. Each parameter gets one hook, at
// the first scope: Tensor::remove_hook only clears a hook's slot, so adding and removing hooks
// would slow down each following backward pass.
class GradientFactor {
 public:
  // `network` outlives this, and its parameters require gradients when a scope begins.
  explicit GradientFactor(const Network& network) : network_(network) {}
  ~GradientFactor() = default;
  GradientFactor(const GradientFactor&) = delete;
  GradientFactor& operator=(const GradientFactor&) = delete;

  class Scope {
   public:
    ~Scope() { *factor_ = at::Tensor(); }
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

   private:
    friend class GradientFactor;
    explicit Scope(at::Tensor* factor) : factor_(factor) {}
    at::Tensor* factor_;
  };

  // factor: [], on the network's device.
  [[nodiscard]] Scope apply(const at::Tensor& factor);

 private:
  const Network& network_;
  std::shared_ptr<at::Tensor> factor_;  // shared with the hooks; undefined outside scopes
};

}  // namespace valley
