// Contrastive divergence for one restricted Boltzmann machine.
//
// The gradient of the mean of -log p(v, y) is <dE>_data - <dE>_model; a Gibbs chain of k steps
// stands for the model:
//   CD-k  begins at hidden states drawn given the data (Hinton 2002)
//   PCD   goes on from the states that the chain had after the last update (Tieleman 2008)
// States that go on are drawn; where a chain ends the probabilities of hidden units are taken, as
// they are where the data drive them. Where a chain of CD ends, visible units and labels are
// probabilities too, as in the code that Hinton, Osindero and Teh published; those of PCD are
// drawn. A weight cost is added: weight_cost / 2 times the sum of the squares of weights.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "methods/objective.h"
#include "nn/rbm.h"
#include "samplers/gibbs.h"

namespace valley {

struct DivergenceSettings {
  std::int64_t steps = 1;  // k
  bool persistent = false;
  double weight_cost = 2e-4;
};

struct Divergence {
  VisibleState end;        // of the chain
  at::Tensor hidden;       // of PCD, float [size, hidden]: states to go on from, 0 or 1
  at::Tensor real_energy;  // float [size]: F of the data
  at::Tensor fake_energy;  // float [size]: F of `end`
  at::Tensor driven;       // float [size, hidden]: probabilities given the data
};

// Adds microbatch.weight() times the gradient of the mean to .grad of the machine's parameters.
// `chain`: with PCD the hidden states [size, hidden] to go on from. Draws are those of Philox
// streams kGibbs and kGibbsNoise at each sample's position. No gradients are recorded.
Divergence accumulate_divergence(const Rbm& rbm, const DivergenceSettings& settings,
                                 const VisibleState& data, const at::Tensor& chain,
                                 const Microbatch& microbatch);

}  // namespace valley
