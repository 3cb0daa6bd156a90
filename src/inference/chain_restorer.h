// Restoration by descent on an energy, with noise ("langevin") or without ("gradient").
#pragma once

#include <memory>

#include "inference/restorer.h"

namespace valley {

// Descends E(x) + weight |x - y|^2 / (2 noise^2) from task.guess, where y is the damaged image and
// the sum is over known pixels. Without noise, known pixels are fixed instead. The quadratic part
// of each step is solved exactly (a proximal step), so that it is stable for every weight; the
// default weight is 0.001 / step size. With noise in the chain, the result is the mean of the
// images after each step of the second half, which is an estimate of the posterior mean.
//
// The default settings are those of make_chain_settings. For an energy that was trained by chains
// they are 60 steps with a tenth of its step size, because images with little damage have low
// energies already.
[[nodiscard]] std::unique_ptr<Restorer> make_chain_restorer(const SavedModel& saved,
                                                            const ImageEnergy& energy,
                                                            const RestoreRequest& request,
                                                            bool with_noise);

}  // namespace valley
