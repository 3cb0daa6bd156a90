// The pictures of `valley energy`.
#pragma once

#include <cstdint>
#include <string>

#include "app/energy_report.h"

namespace valley::app {

// The energies of all sets over one axis.
void draw_histogram(const std::string& path, const EnergyReport& report);

// Of each set the `rank` images of lowest and those of highest energy, the extreme ones first, with
// energy and index under each. Reads those images again.
void draw_ranking(const std::string& path, const EnergyReport& report, std::int64_t rank);

}  // namespace valley::app
