// Options of the objective of MCMC-trained EBMs.
#pragma once

#include <cstdint>
#include <string>

#include "core/config.h"
#include "samplers/langevin.h"

namespace valley {

struct EbmOptions {
  std::int64_t langevin_steps = 60;
  double langevin_step_size = 10;  // factor of the gradient
  double langevin_noise = 0.005;   // standard deviation added in each step
  double langevin_clamp = 0.01;    // bound of each element of the gradient; 0: none
  AutoDouble temperature;          // couples the step size to the noise: noise^2 / (2 temperature)
  std::int64_t replay_size = 10000;     // chains in the replay buffer, all microbatches together
  double replay_restart = 0.05;         // share of chains that restart from noise
  std::string contrast = "difference";  // of the energies, or its softplus
  double energy_decay = 1.0;            // weight of E(x+)^2 + E(x-)^2
  double data_noise = 0;                // standard deviation of noise on real images
  double r1_weight = 0;                 // of the R1 penalty; 0: none
  double generative_weight = 1;         // of the contrast and the decay; 0: no chains
  std::string supervised = "none";      // loss of the energies of classes (supervised.h)
  double supervised_weight = 1;
  double supervised_margin = 1;  // of "hinge" and "square-square"

  void add_keys(Schema& schema);
  // Settings of the Langevin chains.
  [[nodiscard]] LangevinSettings langevin() const;
  [[nodiscard]] bool has_softplus() const { return contrast == "softplus"; }
  [[nodiscard]] bool is_supervised() const { return supervised != "none"; }
};

}  // namespace valley
