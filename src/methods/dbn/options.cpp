#include "methods/dbn/options.h"

#include "methods/limits.h"

namespace valley {

void DbnOptions::add_keys(Schema& s) {
  constexpr const char* kGuide = "Hinton, A Practical Guide to Training RBMs, 2010";
  constexpr const char* kDbn = "Hinton, Osindero & Teh 2006";
  s.key("objective.pretrain_epochs", &pretrain_epochs)
      .min(0)
      .max(kMaxEpochs)
      .help("Deep belief networks: epochs of contrastive divergence per RBM.")
      .source(kDbn);
  s.key("objective.gibbs_steps", &gibbs_steps)
      .min(1)
      .max(kMaxChainSteps)
      .help("Gibbs steps per update of an RBM: k of CD-k.")
      .source(kGuide);
  s.key("objective.persistent_chains", &persistent_chains)
      .help("Persistent contrastive divergence (PCD): chains continue from their last states.")
      .source("Tieleman 2008");
  s.key("objective.weight_cost", &weight_cost)
      .min(0)
      .help("L2 weight-decay coefficient of the RBM.")
      .source(kGuide);
  s.key("objective.momentum_epochs", &momentum_epochs)
      .min(0)
      .max(kMaxEpochs)
      .help("First epochs of each RBM, with a momentum of at most objective.first_momentum.")
      .source(kGuide);
  s.key("objective.first_momentum", &first_momentum)
      .min(0)
      .max(1)
      .help("Largest momentum in the first epochs of each RBM.")
      .source(kGuide);
  s.key("objective.lr_decay_epochs", &lr_decay_epochs)
      .min(0)
      .max(kMaxEpochs)
      .help("Last epochs of each RBM, with linear decay of the learning rate to 0.")
      .source("Tieleman 2008");
  s.key("objective.fine_tune_epochs", &fine_tune_epochs)
      .min(0)
      .max(kMaxEpochs)
      .help("Epochs of back-propagation through all layers, after the RBMs.")
      .source(kDbn);
  s.key("objective.fine_tune_lr", &fine_tune_lr)
      .above(0)
      .help("Learning rate of back-propagation; optimizer.lr is that of the RBMs.")
      .source("ours");
}

}  // namespace valley
