// `valley sample --langevin`: Langevin chains on the energy of any model.
#pragma once

#include <ATen/core/Tensor.h>

#include <CLI/App.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "app/sample_trajectory.h"
#include "inference/energy_chains.h"
#include "inference/saved_model.h"

namespace valley::app {

struct LangevinArguments {
  bool langevin = false;
  std::string from = "noise";
  ChainRequest chain;  // its steps are the command's --steps

  // Whether anything asks for chains of this file's.
  [[nodiscard]] bool wanted() const;
};

void add_langevin_options(CLI::App& command, LangevinArguments& arguments);

// Runs the chains of these seeds, writes what `way` asks for of their way, and returns the pixels
// of their ends: uint8 [n, H, W, C].
[[nodiscard]] at::Tensor sample_by_langevin(const LangevinArguments& arguments,
                                            const TrajectoryArguments& way,
                                            std::optional<std::int64_t> steps,
                                            const SavedModel& saved,
                                            const std::vector<std::uint64_t>& seeds);

}  // namespace valley::app
