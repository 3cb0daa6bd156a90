#include "app/energy_log_z.h"

#include <cmath>

#include "app/option_checks.h"
#include "core/error.h"
#include "core/log.h"
#include "evaluate/log_likelihood.h"
#include "methods/dbn/networks.h"
#include "samplers/gibbs.h"

namespace valley::app {
namespace {

constexpr std::int64_t kDraws = 10;  // of pixels and hidden states, an image
constexpr double kFewChains = 10;

const DeepBeliefNetwork* network_of(const SavedModel& saved) {
  return dynamic_cast<const DeepBeliefNetwork*>(saved.model.get());
}

}  // namespace

void add_log_z_options(CLI::App& command, LogZArguments& a) {
  command.add_flag(
      "--log-z", a.log_z,
      "Of a deep belief network also log Z of its top machine, by annealed importance "
      "sampling (by enumeration up to 20 units), and the mean of log p(x) of the data");
  command
      .add_option("--ais-temperatures", a.temperatures,
                  "Temperatures that the chains of --log-z go through [14500]")
      ->transform(number_range<std::int64_t>(3, 10'000'000))
      ->type_name("N");
  command.add_option("--ais-chains", a.chains, "Chains of --log-z [100]")
      ->transform(number_range<std::int64_t>(2, 1'000'000))
      ->type_name("N");
}

void check_log_z(const LogZArguments& a, const SavedModel& saved) {
  if (!a.log_z) {
    if (a.temperatures || a.chains)
      throw Error(ExitCode::kUsage, "--ais-temperatures and --ais-chains are for --log-z");
    return;
  }
  const DeepBeliefNetwork* dbn = network_of(saved);
  if (dbn == nullptr)
    throw Error(ExitCode::kUsage,
                "--log-z is for restricted Boltzmann machines and deep belief networks; {} is a "
                "model \"{}\", whose energy no chain here finds a Z of",
                saved.file.string(), saved.options.name);
  const std::int64_t most = GibbsDraws(dbn->top(), {}, RandomStream::kAnnealingNoise).most_steps();
  if (a.temperatures && *a.temperatures > most)
    throw Error(ExitCode::kUsage, "--ais-temperatures {}: chains of this network take up to {}",
                *a.temperatures, most);
}

void add_log_z(const Team& team, const LogZArguments& a, std::uint64_t seed,
               const SavedModel& saved, EnergyReport& report) {
  if (!a.log_z) return;
  const DeepBeliefNetwork& dbn = *network_of(saved);
  AnnealingSettings settings;
  settings.temperatures = a.temperatures.value_or(settings.temperatures);
  settings.chains = a.chains.value_or(settings.chains);
  settings.seed = seed;
  const LogPartition found = log_partition(team, dbn.top(), settings);
  if (!std::isfinite(found.value))
    throw Error(ExitCode::kData, "{}: log Z of its top machine is {}; take an earlier checkpoint",
                saved.file.string(), found.value);
  if (team.ranks->rank() == 0 && found.chains > 0 && found.effective_chains < kFewChains)
    log::warn(
        "log Z: {:.1f} of {} chains carry the estimate, whose error is larger than it says; take "
        "more --ais-temperatures or --ais-chains",
        found.effective_chains, found.chains);
  const at::Tensor likelihoods =
      log_likelihoods(team, dbn, *report.sets.front().images, found.value, kDraws, seed);
  auto& numbers = report.model_numbers;
  numbers.emplace_back("log_z", found.value);
  numbers.emplace_back("log_z_stderr", found.standard_error);
  numbers.emplace_back("log_z_chains", static_cast<double>(found.chains));
  numbers.emplace_back("log_z_effective_chains", found.effective_chains);
  numbers.emplace_back(dbn.depth() == 1 ? "log_likelihood" : "log_likelihood_bound",
                       likelihoods.mean().item<double>());
}

}  // namespace valley::app
