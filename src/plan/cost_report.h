// The estimated cost of a step as text, the part of --dry-run that helps to choose hardware.
#pragma once

#include <string>

#include "plan/cost_estimate.h"

namespace valley {

// FLOPs and bytes per step (per stage where stages differ), all-reduce time, and the largest
// microbatches for common sizes of GPU memory, as TOML comments.
[[nodiscard]] std::string describe_cost(const CostEstimate& estimate);

}  // namespace valley
