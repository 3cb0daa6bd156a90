// `valley energy --log-z`: the partition function of a deep belief network's top RBM, and the mean
// log-likelihood of the data.
#pragma once

#include <CLI/App.hpp>
#include <cstdint>
#include <optional>

#include "app/energy/report.h"
#include "evaluate/blocks.h"
#include "inference/saved_model.h"

namespace valley::app {

struct LogZArguments {
  bool log_z = false;
  std::optional<std::int64_t> temperatures;
  std::optional<std::int64_t> chains;
};

void add_log_z_options(CLI::App& command, LogZArguments& arguments);

// Error kUsage for AIS settings without --log-z, and for models without RBMs.
void check_log_z(const LogZArguments& arguments, const SavedModel& saved);

// Collective. Adds log_z, log_z_stderr, log_z_chains (0: enumerated), log_z_effective_chains and
// the mean of log p(x) over report.sets[0]: log_likelihood for one RBM, else log_likelihood_bound.
// Error kData if log Z is not finite.
void add_log_z(const Team& team, const LogZArguments& arguments, std::uint64_t seed,
               const SavedModel& saved, EnergyReport& report);

}  // namespace valley::app
