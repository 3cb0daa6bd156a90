#include "methods/adversarial/requirements.h"

#include "core/error.h"

namespace valley {

const AutoencoderGan& require_autoencoder_gan(const Model& model, std::string_view method) {
  const auto* gan = dynamic_cast<const AutoencoderGan*>(&model);
  if (gan == nullptr) {
    throw Error(ExitCode::kConfig,
                "objective.name = \"{0}\" needs a model with a generator and an autoencoder; set "
                "model.name = \"{0}\"",
                method);
  }
  return *gan;
}

void require_alternating(const ObjectiveSetting& setting, std::string_view method) {
  if (setting.schedule == UpdateSchedule::kAlternating) return;
  throw Error(ExitCode::kConfig,
              "train.schedule = \"shared\" is for BEGAN only; \"{}\" draws new latents for each "
              "update: set train.schedule = \"alternating\"",
              method);
}

}  // namespace valley
