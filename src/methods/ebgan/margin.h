// The margin of EBGAN's hinge loss.
#pragma once

#include "methods/adversarial/energies.h"
#include "methods/ebgan/options.h"
#include "methods/method.h"

namespace valley {

// The margin in the options, in the unit of `energy`. Error kConfig if none or two are set, or if
// the margin is above all energies of images in `range`: the hinge would always be active.
[[nodiscard]] double stated_margin(const EbganOptions& options, Energy energy, PixelRange range,
                                   const ObjectiveSetting& setting);

}  // namespace valley
