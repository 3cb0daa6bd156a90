// Trajectories of chains as a PNG: one row per chain, one column per recorded step, with energies.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "samplers/trajectory.h"

namespace valley::app {

// `names` label the rows: one per chain, or none. All trajectories must have the same steps. Error
// kConfig if the image is too large for a PNG.
void write_chain_strip(const std::filesystem::path& path,
                       const std::vector<Trajectory>& trajectories,
                       const std::vector<std::string>& names);

}  // namespace valley::app
