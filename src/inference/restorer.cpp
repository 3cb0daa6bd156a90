#include "inference/restorer.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "inference/chain_restorer.h"
#include "inference/code_search.h"
#include "inference/gibbs_restorer.h"
#include "inference/grid_restorer.h"
#include "inference/latent_search.h"
#include "inference/projection.h"
#include "methods/adversarial/autoencoder_gan.h"
#include "methods/dbn/networks.h"
#include "nn/sampling.h"

namespace valley {
namespace {

std::string choose_method(bool has_autoencoder, bool is_rbm, bool is_noisy) {
  if (is_rbm) return "gibbs";
  if (!has_autoencoder) return "gradient";
  return is_noisy ? "project" : "code";
}

}  // namespace

const std::vector<std::string>& restore_methods() {
  static const std::vector<std::string> kMethods{"auto",     "code",   "gibbs",   "gradient",
                                                 "langevin", "latent", "min-sum", "project"};
  return kMethods;
}

std::unique_ptr<Restorer> make_restorer(const SavedModel& saved, const ImageEnergy& energy,
                                        const RestoreRequest& request) {
  if (request.weight && !(*request.weight > 0 && std::isfinite(*request.weight)))
    throw Error(ExitCode::kUsage, "--weight {}: it must be a number > 0", *request.weight);
  const auto& methods = restore_methods();
  if (std::find(methods.begin(), methods.end(), request.method) == methods.end())
    throw Error(ExitCode::kUsage, "--method {}: there is no such method; see valley restore --help",
                request.method);
  const auto* gan = dynamic_cast<const AutoencoderGan*>(saved.model.get());
  const auto* dbn = dynamic_cast<const DeepBeliefNetwork*>(saved.model.get());
  const bool is_rbm = dbn != nullptr && dbn->depth() == 1;
  const std::string method = request.method == "auto"
                                 ? choose_method(gan != nullptr, is_rbm, request.is_noisy)
                                 : request.method;
  if (request.restarts && method != "latent")
    throw Error(ExitCode::kUsage, "--restarts is for --method latent, not for {}: leave it out",
                method);
  if (method == "gradient" || method == "langevin")
    return make_chain_restorer(saved, energy, request, method == "langevin");
  if (method == "gibbs") {
    if (dbn == nullptr)
      throw Error(
          ExitCode::kUsage,
          "--method gibbs is for a restricted Boltzmann machine, but {} is another model; take "
          "gradient or langevin",
          saved.file.string());
    return make_gibbs_restorer(*dbn, request, energy.device());
  }
  const ChainRequest& chain = request.chain;
  const auto refuse_chain_settings = [&] {
    if (chain.step_size || chain.noise || chain.clamp)
      throw Error(ExitCode::kUsage,
                  "--step-size, --chain-noise and --clamp are for gradient and langevin, not for "
                  "--method {}: leave them out",
                  method);
  };
  const auto check_steps = [&](std::int64_t max) {
    if (chain.steps && (*chain.steps < 1 || *chain.steps > max))
      throw Error(ExitCode::kUsage, "--steps {}: it must be from 1 to {}", *chain.steps, max);
  };
  if (method == "min-sum") {
    refuse_chain_settings();
    check_steps(kMaxGridRounds);
    return make_grid_restorer(request);
  }
  if (gan == nullptr)
    throw Error(ExitCode::kUsage,
                "--method {} is for models with {}, but {} has none; take gradient or langevin",
                method, method == "latent" ? "a generator" : "an autoencoder", saved.file.string());
  refuse_chain_settings();
  check_steps(kMaxProjectionSteps);
  if (method == "latent")
    return make_latent_search(*saved.model, latent_draw(saved.options), request, energy.device());
  return method == "code" ? make_code_search(*gan, request, energy.device())
                          : make_projection(*gan, request, energy.device());
}

}  // namespace valley
