// The update rule that the optimizer.* keys describe.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "experiment/experiment.h"
#include "kernels/optimizers.h"

namespace valley {

using OptimizerRule =
    std::variant<kernels::AdamSettings, kernels::AdamaxSettings, kernels::SgdSettings>;
[[nodiscard]] OptimizerRule optimizer_rule(const OptimizerOptions& options);

// Names of the moments that a rule keeps, each of the parameters' size, as in checkpoints: "first",
// "second", both, or none.
[[nodiscard]] std::vector<std::string> moments_of(const OptimizerRule& rule);

}  // namespace valley
