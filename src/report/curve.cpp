#include "report/curve.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>

#include "core/error.h"

namespace valley::report {
namespace {

void add_bucket(Curve& curve, const Series& series, std::size_t begin, std::size_t end) {
  constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
  double steps = 0;
  double sum = 0;
  double low = std::numeric_limits<double>::infinity();
  double high = -low;
  std::size_t finite = 0;
  for (std::size_t i = begin; i < end; ++i) {
    const double value = series.values[i];
    steps += series.steps[i];
    if (!std::isfinite(value)) continue;
    ++finite;
    sum += value;
    low = std::min(low, value);
    high = std::max(high, value);
  }
  curve.not_finite += end - begin - finite;
  curve.steps.push_back(steps / static_cast<double>(end - begin));
  curve.mean.push_back(finite > 0 ? sum / static_cast<double>(finite) : kNaN);
  curve.low.push_back(finite > 0 ? low : kNaN);
  curve.high.push_back(finite > 0 ? high : kNaN);
}

}  // namespace

void Series::add(double step, double value) {
  steps.push_back(step);
  values.push_back(value);
}

void Series::sort() {
  if (std::ranges::adjacent_find(steps, std::greater_equal<>()) == steps.end()) return;
  std::vector<std::size_t> order(steps.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(order, {}, [this](std::size_t i) { return steps[i]; });
  Series sorted;
  for (const std::size_t i : order) {
    if (!sorted.steps.empty() && sorted.steps.back() == steps[i]) {
      sorted.values.back() = values[i];
    } else {
      sorted.add(steps[i], values[i]);
    }
  }
  *this = std::move(sorted);
}

Curve reduce(const Series& series, std::size_t max_points) {
  VALLEY_CHECK(max_points >= 3 && series.steps.size() == series.values.size());
  const std::size_t n = series.values.size();
  Curve curve;
  curve.values = n;
  if (n <= max_points) {
    for (std::size_t i = 0; i < n; ++i) add_bucket(curve, series, i, i + 1);
    return curve;
  }
  const std::size_t buckets = max_points - 2;
  const std::size_t inner = n - 2;
  add_bucket(curve, series, 0, 1);
  for (std::size_t b = 0; b < buckets; ++b)
    add_bucket(curve, series, 1 + b * inner / buckets, 1 + (b + 1) * inner / buckets);
  add_bucket(curve, series, n - 1, n);
  return curve;
}

}  // namespace valley::report
