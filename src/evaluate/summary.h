// A list of numbers in a few.
#pragma once

#include <array>
#include <cstddef>
#include <span>

namespace valley {

inline constexpr std::array<int, 5> kPercents = {5, 25, 50, 75, 95};

struct Summary {
  std::size_t count = 0;
  double mean = 0;
  double deviation = 0;  // standard, divided by count - 1; 0 of one number
  double min = 0;
  double max = 0;
  std::array<double, kPercents.size()> percentiles{};  // between two numbers, linearly
};

// Of at least one number, each finite. The sums are taken in the order of size: the same bits in
// any order.
[[nodiscard]] Summary summarize(std::span<const float> values);

}  // namespace valley
