#include "bench/statistics.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"

namespace valley {
namespace {

double at_share(const std::vector<double>& sorted, double share) {
  const double place = share * static_cast<double>(sorted.size() - 1);
  const auto before = static_cast<std::size_t>(place);
  const std::size_t after = std::min(before + 1, sorted.size() - 1);
  return std::lerp(sorted[before], sorted[after], place - static_cast<double>(before));
}

}  // namespace

Quartiles quartiles(std::vector<double> numbers) {
  VALLEY_CHECK(!numbers.empty());
  std::ranges::sort(numbers);
  return {at_share(numbers, 0.25), at_share(numbers, 0.5), at_share(numbers, 0.75)};
}

}  // namespace valley
