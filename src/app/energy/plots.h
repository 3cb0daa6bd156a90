// Plots of `valley energy`.
#pragma once

#include <cstdint>
#include <string>

#include "app/energy/report.h"

namespace valley::app {

// Histograms of the energies of all sets over one axis.
void draw_histogram(const std::string& path, const EnergyReport& report);

// The `count` images of lowest and of highest energy of each set, extreme ones first, with energy
// and index. Reads those images again.
void draw_ranking(const std::string& path, const EnergyReport& report, std::int64_t count);

}  // namespace valley::app
