// A small training of the EBM: 8 images per step, microbatches of 2, a replay buffer that is full
// after three steps.
#pragma once

#include "methods/ebm/options.h"
#include "support/small_training.h"

namespace valley::testing {

inline constexpr std::int64_t kChainPass = 2;

inline Experiment small_ebm() {
  const Experiment small = small_experiment();
  Experiment e = Experiment::with_defaults_of("ebm");
  e.model.resolution = small.model.resolution;
  e.model.width = small.model.width;
  e.objective.as<EbmOptions>().langevin_steps = 3;
  e.objective.as<EbmOptions>().replay_size = 24;
  e.objective.as<EbmOptions>().replay_restart = 0.2;
  e.train = small.train;
  e.train.report_every = 1;
  e.optimizer.lr = small.optimizer.lr;
  return e;
}

// With all terms of the loss.
inline Experiment small_regularized_ebm() {
  Experiment e = small_ebm();
  auto& o = e.objective.as<EbmOptions>();
  o.contrast = "softplus";
  o.data_noise = 0.02;
  o.r1_weight = 0.5;
  return e;
}

// Collective: the checkpoint with the chains of all ranks.
inline Checkpoint checkpoint_of(const Trainer& trainer, const Schema& schema) {
  return trainer.snapshot(schema, "data", trainer.gather_owned());
}

}  // namespace valley::testing
