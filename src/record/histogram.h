// How numbers are spread, as a picture: histograms of several sets over one axis.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "record/canvas.h"

namespace valley {

struct HistogramSet {
  std::string name;  // in the legend, beside how many numbers it has
  std::span<const float> values;
  Colour colour;
};

// The range of all sets together; what would have no width has some.
struct Range {
  double low = 0;
  double high = 1;
};
[[nodiscard]] Range range_of(std::span<const HistogramSet> sets);

// Which share of `values` lies in each of `bins` parts of equal width of `range`; the last part has
// its upper end too.
[[nodiscard]] std::vector<double> histogram_shares(std::span<const float> values,
                                                   const Range& range, std::int64_t bins);

// Round numbers within `range`, at most `most` of them but at least two where most is 5 or more:
// multiples of 1, 2 or 5 times a power of ten.
[[nodiscard]] std::vector<double> axis_ticks(const Range& range, int most);
// As short as tells neighbours apart.
[[nodiscard]] std::vector<std::string> tick_labels(const std::vector<double>& ticks);

// Sets of at least one number each, all finite, one over the other, each as shares of its own.
// `unit`: what the numbers are, under the axis.
Png write_histogram(const std::filesystem::path& path, std::span<const HistogramSet> sets,
                    const std::string& unit);

}  // namespace valley
