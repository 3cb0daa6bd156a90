// Training of a deep belief network (methods/dbn/networks.h), layer by layer (Hinton, Osindero, Teh
// 2006), then as a whole:
//   measure    one epoch without updates: the pixels' moments, which Gaussian units are
//              standardised by and visible biases begin with
//   layer N    each machine in turn by contrastive divergence
//   (methods/dbn/contrastive_divergence.h)
//              on what the layers below, which stand still, make of the images; for
//              pretrain_epochs. Its first momentum_epochs are a stage of their own, with
//              first_momentum where optimizer.momentum is more; over its last cooling_epochs the
//              rate falls in a line to nothing, epoch by epoch (Tieleman: Training Restricted
//              Boltzmann Machines using Approximations to the Likelihood Gradient, ICML 2008)
//   fine-tune  for fine_tune_epochs at the learning rate fine_tune_lr: all layers, and the output
//              layer if there is one, by back-propagation of -log P(y | x), y the label
//              (DeepBeliefNetwork::class_scores)
// An epoch is exactly floor(N / global_batch) steps.
//
// State: with persistent chains, of each microbatch, "objective.chains.N" uint8 [microbatches,
// microbatch, hidden], the hidden states of machine N's chains.
#pragma once

#include <memory>

#include "methods/dbn/options.h"
#include "methods/method.h"

namespace valley {

[[nodiscard]] std::unique_ptr<Objective> make_dbn_objective(const DbnOptions& options,
                                                            const Model& model,
                                                            const ObjectiveSetting& setting);

}  // namespace valley
