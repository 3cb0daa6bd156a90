// Training of a deep belief network (methods/dbn/networks.h), layer by layer (Hinton, Osindero, Teh
// 2006), then as a whole:
//   measure    one epoch without updates: moments of the pixels, which standardize Gaussian units
//              and initialize the visible biases
//   layers.N   RBM N for pretrain_epochs by contrastive divergence
//              (methods/dbn/contrastive_divergence.h) on the hidden probabilities of the layers
//              below, which do not change. The first momentum_epochs are a separate stage with a
//              momentum of at most first_momentum. Over the last lr_decay_epochs the learning rate
//              decays linearly to 0, per epoch (Tieleman: Training Restricted Boltzmann Machines
//              using Approximations to the Likelihood Gradient, ICML 2008)
//   fine-tune  all layers, and the output layer if there is one, for fine_tune_epochs at learning
//              rate fine_tune_lr by back-propagation of -log P(y | x), y the label
//              (DeepBeliefNetwork::class_scores)
// An epoch is exactly floor(N / global_batch) steps.
//
// State: with persistent chains "objective.chains.N", uint8 [microbatches, microbatch, hidden], the
// hidden states of the chains of RBM N.
#pragma once

#include <memory>

#include "methods/dbn/options.h"
#include "methods/method.h"

namespace valley {

[[nodiscard]] std::unique_ptr<Objective> make_dbn_objective(const DbnOptions& options,
                                                            const Model& model,
                                                            const ObjectiveSetting& setting);

}  // namespace valley
