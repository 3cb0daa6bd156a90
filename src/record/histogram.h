// Chart of histograms of several sets over one axis.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "record/canvas.h"

namespace valley {

struct HistogramSet {
  std::string name;  // shown in the legend with the number of values
  std::span<const float> values;
  Color color;
};

// Range of all sets, never empty.
struct Range {
  double low = 0;
  double high = 1;
};
[[nodiscard]] Range range_of(std::span<const HistogramSet> sets);

// Share of `values` in each of `bins` parts of equal width of `range`; the last part includes its
// upper end.
[[nodiscard]] std::vector<double> histogram_shares(std::span<const float> values,
                                                   const Range& range, std::int64_t bins);

// Round numbers within `range`, at most `max_ticks`, and at least two if max_ticks is 5 or more:
// multiples of 1, 2 or 5 times a power of ten.
[[nodiscard]] std::vector<double> axis_ticks(const Range& range, int max_ticks);
// The shortest text that distinguishes adjacent ticks.
[[nodiscard]] std::vector<std::string> tick_labels(const std::vector<double>& ticks);

// Draws overlapping histograms of nonempty sets of finite values, each as shares of its set.
// `unit`: label of the axis.
Png write_histogram(const std::filesystem::path& path, std::span<const HistogramSet> sets,
                    const std::string& unit);

}  // namespace valley
