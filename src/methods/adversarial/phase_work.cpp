#include "methods/adversarial/phase_work.h"

#include <algorithm>

#include "methods/adversarial/autoencoder_gan.h"
#include "methods/adversarial/phases.h"

namespace valley {

std::optional<PhaseWork> adversarial_work(const Model& model, const Phase& phase,
                                          const ClassOptions& classes) {
  const auto* gan = dynamic_cast<const AutoencoderGan*>(&model);
  if (gan == nullptr) return std::nullopt;
  const auto updates = [&](const char* network) {
    return std::ranges::find(phase.updates, network) != phase.updates.end();
  };
  Passes d;
  Passes g;
  if (phase.updates.empty()) {
    d = {1, 0, 0};  // MAGAN measures real images
  } else if (phase.name == phases::kPretrain) {
    d = {1, 1, 1};
  } else {
    const double images = ClassLabels(*gan, classes).mismatch_weight() > 0 ? 3 : 2;
    d = updates("discriminator") ? Passes{images, images, images} : Passes{1, 1, 0};
    g = updates("generator") ? Passes{1, 1, 1} : Passes{1, 0, 0};
  }
  return PhaseWork{{"discriminator", work_from_passes(gan->discriminator(), d)},
                   {"generator", work_from_passes(gan->generator(), g)}};
}

}  // namespace valley
