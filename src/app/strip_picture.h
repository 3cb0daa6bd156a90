// Chains as rows of pictures over their steps, with the energy under each.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "samplers/trajectory.h"

namespace valley::app {

// A row a chain, a column a recorded step; `names` (one a chain, may be empty) stand at the left.
// All trajectories have the same steps. Error kConfig for a picture that no PNG can be.
void write_strip(const std::filesystem::path& path, const std::vector<Trajectory>& trajectories,
                 const std::vector<std::string>& names);

}  // namespace valley::app
