// Restoration by descent on an energy, with noise ("langevin") or without ("gradient").
#pragma once

#include <memory>

#include "inference/restorer.h"

namespace valley {

// Goes down E(x) + weight |x - y|^2 / (2 noise^2) from task.start: y what is damaged, the sum over
// known pixels alone. Without noise known pixels are held instead. The quadratic part of each step
// is solved exactly (a proximal step), so that no weight is too large for it. Chains move as
// chain_settings_of says.
[[nodiscard]] std::unique_ptr<Restorer> make_chain_restorer(const SavedModel& saved,
                                                            const ImageEnergy& energy,
                                                            const RestoreRequest& request,
                                                            bool with_noise);

}  // namespace valley
