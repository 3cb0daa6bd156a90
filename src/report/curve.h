// A curve with as many points as a plot can show.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace valley::report {

// The values of one figure over steps, in the order of steps. NaN: recorded, but not finite.
struct Series {
  std::vector<double> steps;
  std::vector<double> values;

  void add(double step, double value);
  // In the order of steps; of several values at one step the last that was added stays.
  void sort();
};

// A point stands for one value, or for a bucket of neighbours: their mean step, the mean, least and
// greatest of the finite values. NaN: none is finite.
struct Curve {
  std::vector<double> steps;
  std::vector<double> mean;
  std::vector<double> low;
  std::vector<double> high;
  std::size_t values = 0;      // of the series
  std::size_t not_finite = 0;  // of these
  [[nodiscard]] bool is_reduced() const { return values > steps.size(); }
};

// The series as it is when it has at most `most` values (3 or more). Otherwise its first and last
// value and, between them, buckets of equally many neighbours.
[[nodiscard]] Curve reduce(const Series& series, std::size_t most);

}  // namespace valley::report
