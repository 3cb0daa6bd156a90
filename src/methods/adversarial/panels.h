// Panels of methods whose hinge loss has a margin: EBGAN and MAGAN.
#pragma once

#include <vector>

#include "methods/panel.h"

namespace valley {

[[nodiscard]] std::vector<Panel> margin_panels();

}  // namespace valley
