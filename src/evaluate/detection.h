// How well a number tells one set of images from another: the energies of data, which should be
// low, against those of other images.
#pragma once

#include <optional>
#include <span>

namespace valley {

struct Auroc {
  // The chance that an image of `against` has a higher energy than one of `data`, ties counted as
  // half (Mann and Whitney 1947): the area under the receiver operating characteristic. Exact.
  double value = 0;
  // Standard error and 95 % confidence interval, normal, cut at 0 and 1 (DeLong, DeLong and
  // Clarke-Pearson: Comparing the Areas under Two or More Correlated Receiver Operating
  // Characteristic Curves, Biometrics 1988, equations 4 to 7, of one curve); of sets of one image
  // there is none. Where all pairs are told apart it has no width, whatever the number of images.
  std::optional<double> standard_error;
  std::optional<double> low;
  std::optional<double> high;
};

// Of finite energies, at least one each. O(n log n). Same numbers in any order, same bits.
[[nodiscard]] Auroc auroc(std::span<const float> data, std::span<const float> against);

// With the lowest threshold under which, or at which, a share of at least `kept` of `data` lies:
// the threshold, and the share of `against` that lies under or at it too.
struct Threshold {
  double energy = 0;
  double kept = 0;             // of data, at least what was asked for
  double false_positives = 0;  // of against
};
[[nodiscard]] Threshold threshold_keeping(double kept, std::span<const float> data,
                                          std::span<const float> against);

}  // namespace valley
