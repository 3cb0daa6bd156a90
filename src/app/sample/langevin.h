// `valley sample --langevin`: Langevin chains on the energy of any model.
#pragma once

#include <ATen/core/Tensor.h>

#include <CLI/App.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "app/sample/trajectory.h"
#include "inference/energy_chains.h"
#include "inference/saved_model.h"

namespace valley::app {

struct LangevinArguments {
  bool langevin = false;
  std::string from = "noise";
  ChainRequest chain;  // without steps, which are an option of the command

  // True if any option requests Langevin chains.
  [[nodiscard]] bool is_requested() const;
};

void add_langevin_options(CLI::App& command, LangevinArguments& arguments);

// Runs a chain per seed, writes the requested trajectories, and returns the final pixels:
// uint8 [n, H, W, C].
[[nodiscard]] at::Tensor sample_by_langevin(const LangevinArguments& arguments,
                                            const TrajectoryArguments& trajectory,
                                            std::optional<std::int64_t> steps,
                                            const SavedModel& saved,
                                            const std::vector<std::uint64_t>& seeds);

}  // namespace valley::app
