// Gibbs sampling of restricted Boltzmann machines: hidden units given the visible ones, these given
// the hidden ones, and so on.
//
// Every number that a chain draws is a function of (seed, stream, position of the sample, step), as
// with Langevin chains.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "nn/rbm.h"
#include "samplers/langevin.h"

namespace valley {

// What a machine sees: v float [B, visible]; y float [B, labels], or undefined where it has no
// label units.
struct VisibleState {
  at::Tensor v;
  at::Tensor y;
};

// States drawn from probabilities. Row i of a batch draws for place.position + place.offset + i;
// uniform numbers from place.stream, the normal ones of Gaussian units from `noise`.
class GibbsDraws {
 public:
  GibbsDraws(const Rbm& rbm, const ChainPlace& place, RandomStream noise);

  // float [B, ...], of a step: 0 or 1 with these probabilities [B, hidden].
  [[nodiscard]] at::Tensor hidden(const at::Tensor& probabilities, std::int64_t step) const;
  // Given rbm.visible_mean(h) [B, visible]: 0 or 1, or mean + N(0, 1) of Gaussian units.
  [[nodiscard]] at::Tensor visible(const at::Tensor& mean, std::int64_t step) const;
  // Given probabilities of labels [B, labels]: one-hot.
  [[nodiscard]] at::Tensor label(const at::Tensor& probabilities, std::int64_t step) const;

  // Steps that draw different numbers: beyond it their counter begins again.
  [[nodiscard]] std::int64_t most_steps() const;

 private:
  [[nodiscard]] at::Tensor uniform(std::int64_t rows, std::int64_t n, std::int64_t step,
                                   std::int64_t first_block) const;
  const Rbm& rbm_;
  ChainPlace place_;
  RandomStream noise_;
  std::int64_t visible_blocks_;  // of a step
  std::int64_t hidden_blocks_;
  std::int64_t label_blocks_;
};

struct GibbsChain {
  VisibleState seen;  // drawn, at the last step
  at::Tensor mean;    // float [B, visible]: P(v = 1 | h), or the mean, that seen.v was drawn from
  at::Tensor hidden;  // float [B, hidden], drawn given `seen`
};

// `steps` times: visible units (and labels) given the hidden ones, hidden ones given these. From
// hidden states [B, hidden]; with `label` [B, labels] defined the label units are held there.
// steps >= 1. No gradients are recorded.
[[nodiscard]] GibbsChain run_gibbs(const Rbm& rbm, const at::Tensor& hidden, std::int64_t steps,
                                   const GibbsDraws& draws, const at::Tensor& label = {},
                                   std::int64_t first_step = 0);

}  // namespace valley
