#include "inference/restorer.h"

#include <cmath>

#include "core/error.h"
#include "inference/chain_restorer.h"
#include "inference/projection.h"

namespace valley {

const std::vector<std::string>& restore_methods() {
  static const std::vector<std::string> kMethods{"auto", "gradient", "langevin", "project"};
  return kMethods;
}

std::unique_ptr<Restorer> make_restorer(const SavedModel& saved, const ImageEnergy& energy,
                                        const RestoreRequest& request) {
  if (request.weight && !(*request.weight > 0 && std::isfinite(*request.weight)))
    throw Error(ExitCode::kUsage, "--weight {}: it takes a number above 0", *request.weight);
  const auto* gan = dynamic_cast<const AutoencoderGan*>(saved.model.get());
  std::string method = request.method;
  if (method == "auto") method = gan != nullptr ? "project" : "langevin";
  if (method == "project") {
    if (gan == nullptr)
      throw Error(ExitCode::kUsage,
                  "--method project is for models with an autoencoder; {} has none: take gradient "
                  "or langevin",
                  saved.file.string());
    return make_projection(*gan, request, energy.device());
  }
  if (method != "gradient" && method != "langevin")
    throw Error(ExitCode::kUsage, "--method {}: it is one of auto, gradient, langevin, project",
                method);
  return make_chain_restorer(saved, energy, request, method == "langevin");
}

}  // namespace valley
