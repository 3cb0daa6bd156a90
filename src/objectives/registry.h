// Every objective that objective.name can name, and the keys that they read.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/config.h"
#include "models/model.h"
#include "objectives/objective.h"

namespace valley {

// The objective.* keys.
struct ObjectiveOptions {
  std::string name = "began";
  std::string energy = "l1_mean";  // l1_mean, l2_norm, l2_sum or mse (objectives/energies.h)
  // BEGAN
  double gamma = 0.5;      // diversity ratio: E[L(G(z))] / E[L(x)] that k steers to
  double lambda_k = 1e-3;  // gain of k
  // EBGAN: the hinge's margin, in the unit of `energy`, or as the RMSE of a pixel
  AutoDouble margin;
  AutoDouble margin_rmse;
  std::string pulling_away = "none";  // none, squared or cosine
  double pulling_away_weight = 0.1;
  // MAGAN: of D alone; deep belief networks: of each layer
  std::int64_t pretrain_epochs = 2;
  // Deep belief networks
  std::int64_t gibbs_steps = 1;      // of a chain for each update: k of CD-k
  bool persistent_chains = false;    // PCD
  double weight_cost = 2e-4;         // of half the squares of weights
  std::int64_t momentum_epochs = 5;  // of each layer, with first_momentum
  std::int64_t cooling_epochs = 0;   // the last ones of each layer, whose rate falls to nothing
  double first_momentum = 0.5;
  std::int64_t fine_tune_epochs = 0;  // by back-propagation, all layers together
  double fine_tune_lr = 0.1;
  // EBM
  std::int64_t langevin_steps = 60;
  double langevin_step_size = 10;    // of the energy's gradient
  double langevin_noise = 0.005;     // standard deviation added each step
  double langevin_clamp = 0.01;      // bound of each element of the gradient; 0: none
  AutoDouble temperature;            // couples the step to the noise: noise^2 / (2 temperature)
  std::int64_t replay_size = 10000;  // chains kept, all microbatches together
  double replay_restart = 0.05;      // share of chains that begin again from noise
  double energy_decay = 1.0;         // weight of E(x+)^2 + E(x-)^2
};

// What an objective is told of the training that it belongs to.
struct ObjectiveSetting {
  // NOLINTNEXTLINE(google-explicit-constructor): most of it has sensible defaults
  ObjectiveSetting(at::Device where = at::kCPU, LatentDraw draw = {})
      : device(where), latent(draw) {}
  at::Device device;  // where parameters and state are
  LatentDraw latent;
  std::string schedule = "alternating";
  double learning_rate = 1e-4;  // the first one, which stages may scale
  std::uint64_t seed = 0;
  std::int64_t epoch_steps = 1;       // floor(images / global batch), at least 1
  std::int64_t microbatches = 1;      // of a step, on all ranks
  std::int64_t first_microbatch = 0;  // the first that this rank owns
  std::int64_t own_microbatches = 1;
  std::int64_t microbatch_size = 1;
  std::int64_t resolution = 64;
  std::int64_t channels = 3;
};

// `model` outlives the objective; its parameters are on `setting.device`. Error kConfig for an
// unknown name, options out of range, or a model that does not have the networks that the objective
// needs.
using ObjectiveFactory = std::unique_ptr<Objective> (*)(const ObjectiveOptions& options,
                                                        const Model& model,
                                                        const ObjectiveSetting& setting);
[[nodiscard]] std::unique_ptr<Objective> make_objective(const ObjectiveOptions& options,
                                                        const Model& model,
                                                        const ObjectiveSetting& setting);
[[nodiscard]] std::vector<std::string> objective_names();

}  // namespace valley
