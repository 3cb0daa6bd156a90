// Reduces a series to the points of a plotted curve.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace valley::report {

// Values of one metric by step. NaN: recorded as not finite.
struct Series {
  std::vector<double> steps;
  std::vector<double> values;

  void add(double step, double value);
  // Sorts by step and keeps the last value added for each step.
  void sort();
};

// Each point is one value, or a bucket of consecutive values: their mean step, and the mean, min
// and max of the finite values. NaN: no value is finite.
struct Curve {
  std::vector<double> steps;
  std::vector<double> mean;
  std::vector<double> low;
  std::vector<double> high;
  std::size_t values = 0;      // values in the series
  std::size_t not_finite = 0;  // values that are not finite
  [[nodiscard]] bool is_reduced() const { return values > steps.size(); }
};

// At most `max_points` (at least 3) points. A longer series keeps its first and last value, with
// buckets of equal size between them.
[[nodiscard]] Curve reduce(const Series& series, std::size_t max_points);

}  // namespace valley::report
