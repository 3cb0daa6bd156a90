// Contrastive training of an energy with its own samples: Du & Mordatch, Implicit Generation and
// Generalization in Energy-Based Models, 2019 (arXiv 1903.08689), without the KL term, which the
// authors' runs do not use.
//
//   L = mean(E(x+) - E(x-)) + energy_decay * mean(E(x+)^2 + E(x-)^2)
//
// With classes (objective.supervised, methods/ebm/supervised.h) the loss is
//   generative_weight L + supervised_weight mean(l(E(x+, .), y))
// where the mean is over all images of the batch; those without a label have l = 0. With "nll" it
// is JEM (Grathwohl et al. 2020, arXiv 1912.03263), with generative_weight = 0 a classifier.
//
// over a microbatch. x+: real pixels, dequantized as (255 x + u) / 256. x-: ends of Langevin chains
// (samplers/langevin.h) that start from a replay buffer (samplers/replay_buffer.h), without
// gradients through the chains. Model: an EnergyModel, images in [0, 1].
//
// A microbatch whose abs(L) is above 1e8 gets gradients that are not finite, which ends training.
//
// State: "objective.replay_taken" int64 [], and per microbatch its part of the buffer,
// "objective.replay" uint8 [microbatches, slots, H, W, C].
#pragma once

#include <memory>
#include <string>

#include "methods/ebm/options.h"
#include "methods/method.h"

namespace valley {

[[nodiscard]] std::unique_ptr<Objective> make_ebm_objective(const EbmOptions& options,
                                                            const Model& model,
                                                            const ObjectiveSetting& setting);

}  // namespace valley
