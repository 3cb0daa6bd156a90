// Restoration by descent on an energy, with noise ("langevin") or without ("gradient").
#pragma once

#include <memory>

#include "inference/restorer.h"

namespace valley {

// Goes down E(x) + weight |x - y|^2 / (2 noise^2) from task.guess: y what is damaged, the sum over
// known pixels alone. Without noise known pixels are held instead. The quadratic part of each step
// is solved exactly (a proximal step), so that no weight is too large for it; by default the weight
// is 0.001 / step size. With noise in the chain the restoration is the mean of the images after
// each step of the second half, which is nearer to most of them than any one is.
//
// Chains move as chain_settings_of says, but of an energy that was trained by chains a tenth as
// far, in 60 steps: images that are nearly whole are near the bottom already.
[[nodiscard]] std::unique_ptr<Restorer> make_chain_restorer(const SavedModel& saved,
                                                            const ImageEnergy& energy,
                                                            const RestoreRequest& request,
                                                            bool with_noise);

}  // namespace valley
