// One step of Langevin chains, which run_langevin repeats and RecordedLangevin records. Internal to
// this folder.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>

#include "nn/model.h"
#include "samplers/langevin.h"

namespace valley {

// While this lives, the network computes no gradients of parameters and adds no statistics. A
// network that is frozen already is not modified, so that several threads can run chains on it.
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

// Chains in tensors whose addresses stay fixed over steps. Call under a NoGradGuard.
class LangevinStep {
 public:
  // Writes the noise of a step: float [B, H * W * C], one row per image.
  using Draw = std::function<void(const at::Tensor& rows)>;

  // Allocates tensors for chains of the shape of `start`, float [B, C, H, W]; `begin` fills them.
  LangevinStep(EnergyFunction energy, const LangevinSettings& settings, ChainRules rules,
               const at::Tensor& start);
  void begin(const at::Tensor& start);
  void take(const Draw& draw);  // does not call rules.watch

  [[nodiscard]] const at::Tensor& images() const { return x_; }
  [[nodiscard]] const at::Tensor& norms() const { return norms_; }  // float [B], sums over steps

 private:
  void hold() const;
  void shake(const Draw& draw) const;
  void descend() const;

  EnergyFunction energy_;
  LangevinSettings settings_;
  ChainRules rules_;
  at::Tensor start_;  // initial values, which held pixels keep
  at::Tensor x_, noise_, rows_, norms_;
};

}  // namespace valley
