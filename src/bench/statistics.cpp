#include "bench/statistics.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"

namespace valley {
namespace {

double quantile(const std::vector<double>& sorted, double share) {
  const double place = share * static_cast<double>(sorted.size() - 1);
  const auto before = static_cast<std::size_t>(place);
  const std::size_t after = std::min(before + 1, sorted.size() - 1);
  return std::lerp(sorted[before], sorted[after], place - static_cast<double>(before));
}

}  // namespace

Quartiles quartiles(std::vector<double> values) {
  VALLEY_CHECK(!values.empty());
  std::ranges::sort(values);
  return {quantile(values, 0.25), quantile(values, 0.5), quantile(values, 0.75)};
}

}  // namespace valley
