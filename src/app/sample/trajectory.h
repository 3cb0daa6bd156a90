// Trajectories of the chains of `valley sample`, as a PNG or as a file of energies and images.
#pragma once

#include <CLI/App.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "samplers/trajectory.h"

namespace valley::app {

struct TrajectoryArguments {
  std::int64_t columns = 10;
  std::string png;
  std::string file;

  [[nodiscard]] bool is_requested() const { return !png.empty() || !file.empty(); }
};

void add_trajectory_options(CLI::App& command, TrajectoryArguments& arguments);

// Rejects outputs that cannot be written, unknown extensions and a file that is among the command's
// `other_outputs` (kUsage).
void check_trajectory(const TrajectoryArguments& arguments,
                      const std::vector<std::string>& other_outputs);

// Error kUsage for more chains than a trajectory output can hold.
void require_recordable(const TrajectoryArguments& arguments, std::size_t chains);

struct ChainName {
  std::uint64_t seed = 0;
  std::optional<std::int64_t> label;  // the class that it was conditioned on
};

// `pieces` have the rows of all `chains`, one after the other. Writes the requested outputs only.
void write_trajectories(const TrajectoryArguments& arguments, const std::vector<Trajectory>& pieces,
                        const std::vector<ChainName>& chains);

}  // namespace valley::app
