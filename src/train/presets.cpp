// The defaults of each objective: the numbers of its paper, where it has them.
#include "train/experiment.h"

namespace valley {

Experiment Experiment::of_objective(const std::string& name) {
  Experiment e;
  e.objective.name = name;
  e.model.name = name;
  if (name == "ebgan") {
    // Zhao, Mathieu, LeCun 2016, arXiv 1609.03126; width, latent and rate are ours where the paper
    // leaves them open. The margins 20, 40 and 80 for 64, 128 and 256 pixels are this RMSE.
    e.model.width = 64;
    e.model.latent = 100;
    e.model.latent_distribution = "normal";
    e.model.output = "tanh";
    e.model.batch_norm = true;
    e.objective.energy = "l2_norm";
    e.objective.margin_rmse = 0.18;
    e.train.global_batch = 64;
    e.optimizer.lr = 2e-4;
    e.optimizer.lr_schedule = "constant";
  } else if (name == "magan") {
    // Wang, Cully, Chang, Demiris 2017, arXiv 1704.03817, and its authors' code.
    e.model.width = 64;
    e.model.latent = 350;
    e.model.latent_distribution = "normal";
    e.model.output = "tanh";
    e.objective.energy = "l2_sum";
    e.train.global_batch = 64;
    e.optimizer.name = "adamax";
    e.optimizer.bias_correction = false;
    e.optimizer.lr = 5e-4;
    e.optimizer.lr_schedule = "constant";
  } else if (name == "ebm") {
    // Du & Mordatch 2019, arXiv 1903.08689, and its authors' code.
    e.model.width = 128;
    e.model.spectral_norm = true;
    e.train.global_batch = 128;
    e.optimizer.lr = 3e-4;
    e.optimizer.beta1 = 0;
    e.optimizer.lr_schedule = "constant";
  } else if (name == "dbn") {
    // Hinton, Osindero, Teh 2006, and Hinton's practical guide of 2010.
    e.model.layers = {500, 500, 2000};
    e.objective.pretrain_epochs = 30;
    e.train.global_batch = 100;
    e.train.ema_half_life = 0;
    e.optimizer.name = "sgd";
    e.optimizer.lr = 0.1;
    e.optimizer.momentum = 0.9;
    e.optimizer.lr_schedule = "constant";
  }
  return e;
}

}  // namespace valley
