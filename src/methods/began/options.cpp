#include "methods/began/options.h"

#include "methods/adversarial/energies.h"

namespace valley {

void BeganOptions::add_keys(Schema& s) {
  constexpr const char* kPaper = "BEGAN, arXiv 1703.10717";
  s.key("objective.gamma", &gamma)
      .above(0)
      .max(1)
      .help("Diversity ratio E[L(G(z))] / E[L(x)] of BEGAN.")
      .source(kPaper);
  s.key("objective.lambda_k", &lambda_k)
      .min(0)
      .help("Gain of BEGAN's control variable k.")
      .source(kPaper);
  add_energy_key(s, energy);
  classes.add_keys(s);
}

}  // namespace valley
