#include "evaluate/summary.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "core/error.h"

namespace valley {
namespace {

constexpr double kHundred = 100;

double percentile(const std::vector<double>& sorted, int percent) {
  const double place = static_cast<double>(sorted.size() - 1) * percent / kHundred;
  const auto below = static_cast<std::size_t>(place);
  const std::size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (sorted[above] - sorted[below]) * (place - static_cast<double>(below));
}

}  // namespace

Summary summarize(std::span<const float> values) {
  VALLEY_CHECK(!values.empty());
  std::vector<double> sorted(values.begin(), values.end());
  std::sort(sorted.begin(), sorted.end());
  const auto n = static_cast<double>(sorted.size());
  Summary summary;
  summary.count = sorted.size();
  summary.min = sorted.front();
  summary.max = sorted.back();
  for (const double value : sorted) summary.mean += value / n;
  double squares = 0;
  for (const double value : sorted) squares += (value - summary.mean) * (value - summary.mean);
  if (sorted.size() > 1) summary.deviation = std::sqrt(squares / (n - 1));
  for (std::size_t i = 0; i < kPercents.size(); ++i)
    summary.percentiles[i] = percentile(sorted, kPercents[i]);
  return summary;
}

}  // namespace valley
