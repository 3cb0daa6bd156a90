#include "app/energy/log_z.h"

#include <cmath>

#include "app/options.h"
#include "core/error.h"
#include "core/log.h"
#include "evaluate/log_likelihood.h"
#include "methods/dbn/networks.h"
#include "samplers/gibbs.h"

namespace valley::app {
namespace {

constexpr std::int64_t kDrawsPerImage = 10;  // samples of pixels and hidden states
constexpr double kMinEffectiveChains = 10;

const DeepBeliefNetwork* find_network(const SavedModel& saved) {
  return dynamic_cast<const DeepBeliefNetwork*>(saved.model.get());
}

}  // namespace

void add_log_z_options(CLI::App& command, LogZArguments& a) {
  command.add_flag(
      "--log-z", a.log_z,
      "Also estimate log Z of a deep belief network's top RBM by annealed importance sampling "
      "(by enumeration up to 20 units), and the mean of log p(x) over the data");
  command
      .add_option("--ais-temperatures", a.temperatures,
                  "Temperatures of annealed importance sampling with --log-z [14500]")
      ->transform(number_range<std::int64_t>(3, 10'000'000))
      ->type_name("N");
  command
      .add_option("--ais-chains", a.chains,
                  "Chains of annealed importance sampling with --log-z [100]")
      ->transform(number_range<std::int64_t>(2, 1'000'000))
      ->type_name("N");
}

void check_log_z(const LogZArguments& a, const SavedModel& saved) {
  if (!a.log_z) {
    if (a.temperatures || a.chains)
      throw Error(ExitCode::kUsage,
                  "--ais-temperatures and --ais-chains are settings of --log-z: add --log-z");
    return;
  }
  const DeepBeliefNetwork* dbn = find_network(saved);
  if (dbn == nullptr)
    throw Error(ExitCode::kUsage,
                "--log-z is for restricted Boltzmann machines and deep belief networks; {} is a "
                "model \"{}\": leave it out",
                saved.file.string(), saved.options.name);
  const std::int64_t max = GibbsDraws(dbn->top(), {}, RandomStream::kAnnealingNoise).max_steps();
  if (a.temperatures && *a.temperatures > max)
    throw Error(ExitCode::kUsage, "--ais-temperatures {}: the maximum for this network is {}",
                *a.temperatures, max);
}

void add_log_z(const Team& team, const LogZArguments& a, std::uint64_t seed,
               const SavedModel& saved, EnergyReport& report) {
  if (!a.log_z) return;
  const DeepBeliefNetwork& dbn = *find_network(saved);
  AnnealingSettings settings;
  settings.temperatures = a.temperatures.value_or(settings.temperatures);
  settings.chains = a.chains.value_or(settings.chains);
  settings.seed = seed;
  const LogPartition found = log_partition(team, dbn.top(), settings);
  if (!std::isfinite(found.value))
    throw Error(ExitCode::kData, "{}: log Z of its top RBM is {}; use an earlier checkpoint",
                saved.file.string(), found.value);
  if (team.ranks->rank() == 0 && found.chains > 0 && found.effective_chains < kMinEffectiveChains)
    log::warn(
        "log Z: the effective number of chains is {:.1f} of {}, so the standard error is "
        "underestimated; increase --ais-temperatures or --ais-chains",
        found.effective_chains, found.chains);
  const at::Tensor likelihoods =
      log_likelihoods(team, dbn, *report.sets.front().images, found.value, kDrawsPerImage, seed);
  auto& values = report.model_values;
  values.emplace_back("log_z", found.value);
  values.emplace_back("log_z_stderr", found.standard_error);
  values.emplace_back("log_z_chains", static_cast<double>(found.chains));
  values.emplace_back("log_z_effective_chains", found.effective_chains);
  values.emplace_back(dbn.depth() == 1 ? "log_likelihood" : "log_likelihood_bound",
                      likelihoods.mean().item<double>());
}

}  // namespace valley::app
