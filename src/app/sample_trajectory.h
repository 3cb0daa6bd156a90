// What `valley sample` writes of the way that chains go: a picture, or their energies and images.
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
  std::string picture;
  std::string file;

  [[nodiscard]] bool wanted() const { return !picture.empty() || !file.empty(); }
};

void add_trajectory_options(CLI::App& command, TrajectoryArguments& arguments);

// Refuses what cannot be written, and names that are no file's (kUsage). `other_outputs`: of the
// command.
void check_trajectory(const TrajectoryArguments& arguments,
                      const std::vector<std::string>& other_outputs);

// Error kUsage for more chains than a picture holds, where one is asked for.
void require_recordable(const TrajectoryArguments& arguments, std::size_t chains);

struct ChainName {
  std::uint64_t seed = 0;
  std::optional<std::int64_t> label;  // the class that it was held at
};

// `pieces` have the rows of all `chains` one after the other. Nothing where nothing is wanted.
void write_trajectories(const TrajectoryArguments& arguments, const std::vector<Trajectory>& pieces,
                        const std::vector<ChainName>& chains);

}  // namespace valley::app
