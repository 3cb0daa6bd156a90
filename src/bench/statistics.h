// Times of something done many times, on a machine that also does other things.
#pragma once

#include <vector>

namespace valley {

struct Quartiles {
  double low = 0, median = 0, high = 0;
};
// Of at least one number, between neighbours where a quartile falls between them.
[[nodiscard]] Quartiles quartiles(std::vector<double> numbers);

}  // namespace valley
