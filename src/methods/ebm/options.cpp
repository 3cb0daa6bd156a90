#include "methods/ebm/options.h"

#include "methods/ebm/supervised.h"
#include "methods/limits.h"

namespace valley {

void EbmOptions::add_keys(Schema& s) {
  constexpr const char* kIgebm = "Du & Mordatch, arXiv 1903.08689";
  constexpr std::int64_t kMaxReplay = 1'000'000'000;
  s.key("objective.langevin_steps", &langevin_steps)
      .min(1)
      .max(kMaxChainSteps)
      .help("Langevin steps per update of the EBM.")
      .source(kIgebm);
  s.key("objective.langevin_step_size", &langevin_step_size)
      .above(0)
      .help("Langevin step size: the factor of the energy's gradient.")
      .source(kIgebm);
  s.key("objective.langevin_noise", &langevin_noise)
      .min(0)
      .help("Standard deviation of the noise per Langevin step, for pixels in [0, 1].")
      .source(kIgebm);
  s.key("objective.langevin_clamp", &langevin_clamp)
      .min(0)
      .help("Largest absolute value of an element of the gradient; 0: no limit.")
      .source(kIgebm);
  s.key("objective.temperature", &temperature)
      .above(0)
      .help(
          "Sets the step size to noise^2 / (2 temperature), so that chains sample exp(-E / "
          "temperature); auto: step size and noise as they are.");
  s.key("objective.replay_size", &replay_size)
      .min(0)
      .max(kMaxReplay)
      .help("Replay-buffer size: chains of all microbatches together; 0: no buffer.")
      .source(kIgebm);
  s.key("objective.replay_restart", &replay_restart)
      .min(0)
      .max(1)
      .help("Share of the chains that restart from noise.")
      .source(kIgebm);
  s.key("objective.contrast", &contrast)
      .one_of({"difference", "softplus"})
      .help(
          "Contrast in the EBM's loss: E(x+) - E(x-), or its softplus, which hardly separates real "
          "images and chains further once they are apart.")
      .source("Du & Mordatch, arXiv 1903.08689 (both in their code)");
  s.key("objective.energy_decay", &energy_decay)
      .min(0)
      .help("Weight of the squares of both energies in the EBM's loss.")
      .source(kIgebm);
  s.key("objective.data_noise", &data_noise)
      .min(0)
      .help("Standard deviation of normal noise that is added to real images in [0, 1]; 0: none.")
      .source("0.03 in Nijkamp et al., arXiv 1903.12370, and JEM, arXiv 1912.03263");
  s.key("objective.r1_weight", &r1_weight)
      .min(0)
      .help(
          "Weight of the R1 penalty in the EBM's loss: half of the squared norm of the energy's "
          "gradient at real images; 0: none.")
      .source("Mescheder et al., arXiv 1801.04406 (10 there)");
  s.key("objective.generative_weight", &generative_weight)
      .min(0)
      .help("Weight of the contrast and the energy decay in the EBM's loss; 0: no chains run.");
  s.key("objective.supervised", &supervised)
      .one_of(supervised_losses())
      .help("Loss that shapes the EBM's energies E(x, y) of classes (model.labels).")
      .source("LeCun et al., A Tutorial on Energy-Based Learning; nll: JEM, arXiv 1912.03263");
  s.key("objective.supervised_weight", &supervised_weight).above(0).help("Weight of that loss.");
  s.key("objective.supervised_margin", &supervised_margin)
      .above(0)
      .help("Margin of the losses hinge and square-square, in the unit of energies.");
}

LangevinSettings EbmOptions::langevin() const {
  const LangevinSettings plain{langevin_steps, langevin_step_size, langevin_noise, langevin_clamp,
                               false};
  return temperature ? coupled(plain, *temperature) : plain;
}

}  // namespace valley
