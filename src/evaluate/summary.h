// Summary statistics of a list of values.
#pragma once

#include <array>
#include <cstddef>
#include <span>

namespace valley {

inline constexpr std::array<int, 5> kPercents = {5, 25, 50, 75, 95};

struct Summary {
  std::size_t count = 0;
  double mean = 0;
  double deviation = 0;  // sample standard deviation; 0 for one value
  double min = 0;
  double max = 0;
  std::array<double, kPercents.size()> percentiles{};  // linearly interpolated
};

// Requires at least one value, all finite. Sums are taken in ascending order, so that the result is
// bitwise independent of the order of `values`.
[[nodiscard]] Summary summarize(std::span<const float> values);

}  // namespace valley
