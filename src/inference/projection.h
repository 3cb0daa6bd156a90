// Restoration through an autoencoder that knows what real images look like: x <- D(x) where x is
// not known.
#pragma once

#include <memory>

#include "inference/restorer.h"

namespace valley {

// Each step takes unknown pixels from D(x). Known ones are kept; with noise they become
// (1 - w) y + w D(x), w = noise^2 / (noise^2 + weight rho^2) with y what is damaged and rho = 0.1,
// the error of D in a pixel: the best guess from two independent ones.
[[nodiscard]] std::unique_ptr<Restorer> make_projection(const AutoencoderGan& gan,
                                                        const RestoreRequest& request,
                                                        at::Device device);

}  // namespace valley
