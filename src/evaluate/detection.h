// Separation of two sets of images by energy: the data, which should have low energies, and other
// images.
#pragma once

#include <optional>
#include <span>

namespace valley {

struct Auroc {
  // Probability that an image of `against` has a higher energy than one of `data`, ties counted as
  // half (Mann and Whitney 1947): the area under the receiver operating characteristic. Exact.
  double value = 0;
  // Standard error and normal 95 % confidence interval, clipped to [0, 1] (DeLong, DeLong and
  // Clarke-Pearson: Comparing the Areas under Two or More Correlated Receiver Operating
  // Characteristic Curves, Biometrics 1988, equations 4 to 7, for one curve). Absent for a set of
  // one image. Its width is 0 if the sets are separated perfectly, for any number of images.
  std::optional<double> standard_error;
  std::optional<double> low;
  std::optional<double> high;
};

// Requires finite energies, at least one per set. O(n log n). Bitwise independent of their order.
[[nodiscard]] Auroc auroc(std::span<const float> data, std::span<const float> against);

struct Threshold {
  double energy = 0;
  double kept = 0;             // share of `data` at or below it
  double false_positives = 0;  // share of `against` at or below it
};
// The lowest threshold with at least the share `kept` of `data` at or below it.
[[nodiscard]] Threshold threshold_keeping(double kept, std::span<const float> data,
                                          std::span<const float> against);

}  // namespace valley
