// Statistics of repeated time measurements.
#pragma once

#include <vector>

namespace valley {

struct Quartiles {
  double low = 0, median = 0, high = 0;
};
// Linearly interpolated. Requires at least one value.
[[nodiscard]] Quartiles quartiles(std::vector<double> values);

}  // namespace valley
