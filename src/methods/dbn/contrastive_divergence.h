// Contrastive divergence for one restricted Boltzmann machine (RBM).
//
// The gradient of the mean of -log p(v, y) is <dE>_data - <dE>_model. A Gibbs chain of k steps
// estimates the model term:
//   CD-k  the chain begins at hidden states sampled given the data (Hinton 2002)
//   PCD   the chain continues from its states after the last update (Tieleman 2008)
// States inside a chain are sampled. At its end, as for the data, the gradient uses probabilities
// of hidden units. Visible units and labels at the end of a CD chain are probabilities too, as in
// the code published by Hinton, Osindero and Teh; those of PCD are sampled. L2 weight decay adds
// weight_cost / 2 times the sum of squared weights to the loss.
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
  VisibleState end;        // end of the chain
  at::Tensor hidden;       // float [size, hidden]: last states of a PCD chain, 0 or 1
  at::Tensor real_energy;  // float [size]: F of the data
  at::Tensor fake_energy;  // float [size]: F of `end`
  at::Tensor driven;       // float [size, hidden]: probabilities given the data
};

// Adds microbatch.weight() times the gradient of the mean loss to .grad of the RBM's parameters.
// `chain`: hidden states [size, hidden] that a PCD chain continues from. Random numbers are from
// the Philox streams kGibbs and kGibbsNoise at each sample's position. Runs without autograd.
Divergence accumulate_divergence(const Rbm& rbm, const DivergenceSettings& settings,
                                 const VisibleState& data, const at::Tensor& chain,
                                 const Microbatch& microbatch);

}  // namespace valley
