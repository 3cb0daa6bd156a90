// One step of Langevin chains, for this folder's sources only: what run_langevin repeats and
// RecordedLangevin records.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>

#include "nn/model.h"
#include "samplers/langevin.h"

namespace valley {

// A network whose passes compute no gradients of parameters and gather no statistics. One that is
// frozen already is not changed, so that several threads can run chains on it.
class FrozenNetwork {
 public:
  explicit FrozenNetwork(const EnergyNetwork& network);
  ~FrozenNetwork();
  FrozenNetwork(const FrozenNetwork&) = delete;
  FrozenNetwork& operator=(const FrozenNetwork&) = delete;

 private:
  const EnergyNetwork& network_;
  PassContext context_;
  bool trainable_ = false;
};

// Chains in tensors that keep their places from step to step. Call under a NoGradGuard.
class LangevinStep {
 public:
  // Writes a step's noise: float [B, H * W * C], rows of the image's pixels.
  using Draw = std::function<void(const at::Tensor& rows)>;

  // Tensors for chains like `start`, float [B, C, H, W]; `begin` fills them.
  LangevinStep(EnergyFunction energy, const LangevinSettings& settings, ChainRules rules,
               const at::Tensor& start);
  void begin(const at::Tensor& start);
  void take(const Draw& draw);  // rules.watch is the caller's

  [[nodiscard]] const at::Tensor& images() const { return x_; }
  [[nodiscard]] const at::Tensor& norms() const { return norms_; }  // float [B], sums over steps

 private:
  void hold() const;
  void shake(const Draw& draw) const;
  void descend() const;

  EnergyFunction energy_;
  LangevinSettings settings_;
  ChainRules rules_;
  at::Tensor start_;  // values that held pixels keep
  at::Tensor x_, noise_, rows_, norms_;
};

}  // namespace valley
