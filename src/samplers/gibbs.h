// Gibbs sampling of RBMs: draws hidden units given visible units and visible given hidden, in turn.
//
// Every random value of a chain is a function of (seed, stream, sample position, step), as in
// langevin.h.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "nn/rbm.h"
#include "samplers/langevin.h"

namespace valley {

// State of the visible and label units: v float [B, visible]; y float [B, labels], undefined
// without label units.
struct VisibleState {
  at::Tensor v;
  at::Tensor y;
};

// Draws states from probabilities. Row i of a batch draws at place.position + place.offset + i:
// uniform values from place.stream, normal ones for Gaussian units from stream `noise`.
class GibbsDraws {
 public:
  GibbsDraws(const Rbm& rbm, const ChainPlace& place, RandomStream noise);

  // States of step `step`, float [B, ...]: 0 or 1 with probabilities [B, hidden].
  [[nodiscard]] at::Tensor hidden(const at::Tensor& probabilities, std::int64_t step) const;
  // From rbm.visible_mean(h) [B, visible]: 0 or 1; mean + N(0, 1) for Gaussian units.
  [[nodiscard]] at::Tensor visible(const at::Tensor& mean, std::int64_t step) const;
  // From label probabilities [B, labels]: one-hot.
  [[nodiscard]] at::Tensor label(const at::Tensor& probabilities, std::int64_t step) const;

  // Max number of steps; more would wrap the Philox counter around.
  [[nodiscard]] std::int64_t max_steps() const;

 private:
  [[nodiscard]] at::Tensor uniform(std::int64_t rows, std::int64_t n, std::int64_t step,
                                   std::int64_t first_block) const;
  const Rbm& rbm_;
  ChainPlace place_;
  RandomStream noise_;
  std::int64_t visible_blocks_;  // Philox blocks per step
  std::int64_t hidden_blocks_;
  std::int64_t label_blocks_;
};

struct GibbsChain {
  VisibleState seen;  // states drawn in the last step
  at::Tensor mean;    // float [B, visible]: rbm.visible_mean(h), from which seen.v was drawn
  at::Tensor hidden;  // float [B, hidden], drawn given `seen`
};

// Runs `steps` >= 1 Gibbs steps from hidden states [B, hidden]: draws visible units and labels
// given hidden units, then hidden given these. If `label` [B, labels] is defined, label units are
// fixed to it. Records no gradients.
[[nodiscard]] GibbsChain run_gibbs(const Rbm& rbm, const at::Tensor& hidden, std::int64_t steps,
                                   const GibbsDraws& draws, const at::Tensor& label = {},
                                   std::int64_t first_step = 0);

}  // namespace valley
