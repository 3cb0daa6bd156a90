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

// Changes of gradient and weights before the rule is applied.
struct UpdateLimits {
  double clip_norm = 0;     // largest norm of a network's gradient; 0: any
  double weight_decay = 0;  // decoupled, of tensors with two or more dimensions
};
[[nodiscard]] UpdateLimits update_limits(const OptimizerOptions& options);

// Names of the rule's moments in checkpoints ("first", "second", both, or none); each moment has
// the size of the parameters.
[[nodiscard]] std::vector<std::string> moments_of(const OptimizerRule& rule);

}  // namespace valley
