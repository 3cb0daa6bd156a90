// log(exp(v_1) + ... + exp(v_n)) without overflow.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

namespace valley {

// Minus infinity if all values are, or if there is none.
[[nodiscard]] inline double log_sum(const std::vector<double>& values) {
  double max = -std::numeric_limits<double>::infinity();
  for (const double value : values) max = std::max(max, value);
  if (!std::isfinite(max)) return max;
  double sum = 0;
  for (const double value : values) sum += std::exp(value - max);
  return max + std::log(sum);
}

}  // namespace valley
