// Restoration without a model: min-sum on the grid of the pixels (inference/grid_min_sum.h).
#pragma once

#include <cstdint>
#include <memory>

#include "inference/restorer.h"

namespace valley {

inline constexpr std::int64_t kMaxGridRounds = 10'000;

// Each channel is restored alone, in 64 gray levels. Known pixels without noise keep their level;
// noisy ones cost (y - x)^2 / (2 noise^2), unknown ones nothing. `request.weight` multiplies these
// costs relative to those of edges.
[[nodiscard]] std::unique_ptr<Restorer> make_grid_restorer(const RestoreRequest& request);

}  // namespace valley
