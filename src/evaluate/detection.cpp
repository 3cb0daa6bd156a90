#include "evaluate/detection.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "core/error.h"

namespace valley {
namespace {

constexpr double kNormal95 = 1.959963984540054;  // 97.5th percentile of the normal distribution

std::vector<float> sorted(std::span<const float> values) {
  std::vector<float> copy(values.begin(), values.end());
  std::sort(copy.begin(), copy.end());
  return copy;
}

// For each of `values`: twice the number of lower `others` plus the number of equal ones. Both are
// sorted.
std::vector<std::uint64_t> count_twice_below(const std::vector<float>& values,
                                             const std::vector<float>& others) {
  std::vector<std::uint64_t> counts;
  counts.reserve(values.size());
  std::size_t below = 0;
  std::size_t not_above = 0;
  for (const float value : values) {
    while (below < others.size() && others[below] < value) ++below;
    while (not_above < others.size() && others[not_above] <= value) ++not_above;
    counts.push_back(below + not_above);
  }
  return counts;
}

std::uint64_t total(const std::vector<std::uint64_t>& counts) {
  std::uint64_t sum = 0;
  for (const std::uint64_t count : counts) sum += count;
  return sum;
}

// Variance of the mean of counts / (2 others), with known `mean`.
double variance_of_mean(const std::vector<std::uint64_t>& counts, double mean, double others) {
  double squares = 0;
  for (const std::uint64_t count : counts) {
    const double difference = static_cast<double>(count) / (2 * others) - mean;
    squares += difference * difference;
  }
  const auto n = static_cast<double>(counts.size());
  return squares / (n - 1) / n;
}

}  // namespace

Auroc auroc(std::span<const float> data, std::span<const float> against) {
  VALLEY_CHECK(!data.empty() && !against.empty());
  const std::vector<float> low = sorted(data);
  const std::vector<float> high = sorted(against);
  const auto m = static_cast<double>(low.size());
  const auto n = static_cast<double>(high.size());
  const std::vector<std::uint64_t> of_against = count_twice_below(high, low);
  Auroc result;
  result.value = static_cast<double>(total(of_against)) / (2 * m * n);
  if (data.size() < 2 || against.size() < 2) return result;
  const std::vector<std::uint64_t> of_data = count_twice_below(low, high);
  const double variance = variance_of_mean(of_against, result.value, m) +
                          variance_of_mean(of_data, 1 - result.value, n);
  const double error = std::sqrt(variance);
  result.standard_error = error;
  result.low = std::max(0.0, result.value - kNormal95 * error);
  result.high = std::min(1.0, result.value + kNormal95 * error);
  return result;
}

Threshold threshold_keeping(double kept, std::span<const float> data,
                            std::span<const float> against) {
  VALLEY_CHECK(!data.empty() && !against.empty() && kept > 0 && kept <= 1);
  const std::vector<float> low = sorted(data);
  const std::vector<float> high = sorted(against);
  const auto m = static_cast<double>(low.size());
  // Avoid one image too many from rounding: 0.95 * 20 must give 19.
  const double required = std::ceil(kept * m - 1e-9 * m);
  const auto index = static_cast<std::size_t>(std::max(1.0, required)) - 1;
  const float energy = low[index];
  const auto share_up_to = [energy](const std::vector<float>& values) {
    const auto end = std::upper_bound(values.begin(), values.end(), energy);
    return static_cast<double>(end - values.begin()) / static_cast<double>(values.size());
  };
  return {energy, share_up_to(low), share_up_to(high)};
}

}  // namespace valley
