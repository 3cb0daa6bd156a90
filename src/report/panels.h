// Which plots a page has: the figures that belong together, under what title and in what order.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "methods/panel.h"

namespace valley::report {

// For the names of all figures that the runs have: the known ones where they belong, others in the
// section "Other", grouped by what stands before their first "/". Each is in a panel at most once
// but for the margin, which stands beside the energies too.
[[nodiscard]] std::vector<Panel> panels_for(const std::set<std::string>& keys);

}  // namespace valley::report
