// `valley energy --log-z`: the partition function of a deep belief network's top machine, and what
// its density says of the data.
#pragma once

#include <CLI/App.hpp>
#include <cstdint>
#include <optional>

#include "app/energy_report.h"
#include "evaluate/blocks.h"
#include "inference/saved_model.h"

namespace valley::app {

struct LogZArguments {
  bool log_z = false;
  std::optional<std::int64_t> temperatures;
  std::optional<std::int64_t> chains;
};

void add_log_z_options(CLI::App& command, LogZArguments& arguments);

// Error kUsage for settings of what is not asked for, and for models without machines.
void check_log_z(const LogZArguments& arguments, const SavedModel& saved);

// Collective. Adds log_z, log_z_stderr, log_z_chains (0: enumerated), log_z_effective_chains and
// the mean over report.sets[0] of log p(x), log_likelihood (of one machine) or
// log_likelihood_bound. Error kData where log Z is no number.
void add_log_z(const Team& team, const LogZArguments& arguments, std::uint64_t seed,
               const SavedModel& saved, EnergyReport& report);

}  // namespace valley::app
