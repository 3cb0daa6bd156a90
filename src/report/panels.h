// Plots of a page: groups of metrics, their titles and their order.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "methods/panel.h"

namespace valley::report {

// Panels for `keys`, the names of all metrics of the runs. Unknown metrics are in the section
// "Other", grouped by the part of the name before the first "/". Each metric is in at most one
// panel, except the margin, which is also plotted with the energies.
[[nodiscard]] std::vector<Panel> panels_for(const std::set<std::string>& keys);

}  // namespace valley::report
