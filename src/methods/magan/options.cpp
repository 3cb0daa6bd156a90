#include "methods/magan/options.h"

#include "methods/adversarial/energies.h"
#include "methods/limits.h"

namespace valley {

void MaganOptions::add_keys(Schema& s) {
  add_energy_key(s, energy);
  s.key("objective.pretrain_epochs", &pretrain_epochs)
      .min(0)
      .max(kMaxEpochs)
      .help("MAGAN: epochs in which D alone is trained, before the margin is measured.")
      .source("MAGAN, arXiv 1704.03817");
  classes.add_keys(s);
}

}  // namespace valley
