// The margin of EBGAN's hinge loss.
#pragma once

#include "methods/adversarial/energies.h"
#include "methods/ebgan/options.h"
#include "methods/method.h"

namespace valley {

// The margin that the options state, in the unit of `energy`. Error kConfig if they state none or
// two, or one that no energy of images in `range` can reach: the hinge would never be inactive.
[[nodiscard]] double stated_margin(const EbganOptions& options, Energy energy, PixelRange range,
                                   const ObjectiveSetting& setting);

}  // namespace valley
