// Options of the training of RBMs and deep belief networks.
#pragma once

#include <cstdint>

#include "core/config.h"

namespace valley {

struct DbnOptions {
  std::int64_t pretrain_epochs = 30;  // per RBM
  std::int64_t gibbs_steps = 1;       // k of CD-k
  bool persistent_chains = false;     // PCD
  double weight_cost = 2e-4;          // L2 weight decay: times half the sum of squared weights
  std::int64_t momentum_epochs = 5;   // first epochs of each RBM, with first_momentum
  std::int64_t lr_decay_epochs = 0;   // last epochs of each RBM, with linear decay to 0
  double first_momentum = 0.5;
  std::int64_t fine_tune_epochs = 0;  // epochs of back-propagation through all layers
  double fine_tune_lr = 0.1;

  void add_keys(Schema& schema);
};

}  // namespace valley
