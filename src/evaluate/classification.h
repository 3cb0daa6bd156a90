// Accuracy and calibration of class probabilities.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace valley {

// P(y | x) for each image: the softmax of its scores, in double precision.
class ClassProbabilities {
 public:
  // scores: [images, classes], finite.
  ClassProbabilities(std::span<const float> scores, std::size_t classes);

  [[nodiscard]] std::size_t images() const { return predicted_.size(); }
  [[nodiscard]] std::size_t classes() const { return classes_; }
  [[nodiscard]] std::span<const double> of(std::size_t image) const {  // [classes]
    return std::span(probabilities_).subspan(image * classes_, classes_);
  }
  // The class of highest score (the first one for ties), and its probability.
  [[nodiscard]] std::size_t predicted(std::size_t image) const { return predicted_[image]; }
  [[nodiscard]] double confidence(std::size_t image) const { return of(image)[predicted_[image]]; }
  // log P(label | x). Finite even if the probability underflows.
  [[nodiscard]] double log_probability(std::size_t image, std::size_t label) const {
    return scores_[image * classes_ + label] - log_sums_[image];
  }

 private:
  std::size_t classes_;
  std::vector<float> scores_;
  std::vector<double> log_sums_;       // [images], of exp(score)
  std::vector<double> probabilities_;  // [images, classes]
  std::vector<std::size_t> predicted_;
};

// 95 % confidence interval of the share hits / n, n > 0 (Wilson 1927).
struct Interval {
  double low = 0;
  double high = 1;
};
[[nodiscard]] Interval wilson_interval(std::uint64_t hits, std::uint64_t n);

inline constexpr std::size_t kCalibrationBins = 15;

// Bin i: images whose predicted class has a probability in (i / 15, (i + 1) / 15].
struct CalibrationBin {
  std::uint64_t images = 0;
  double confidence = 0;  // mean; 0 without images
  double accuracy = 0;    // share of correct predictions; 0 without images
};

struct Classification {
  std::uint64_t images = 0;  // with a label
  std::uint64_t right = 0;
  double accuracy = 0;
  Interval interval;           // confidence interval of the accuracy
  double log_loss = 0;         // mean of -log P(label | x), nats
  double brier = 0;            // mean over images of sum_y (P(y | x) - [y = label])^2 (Brier 1950)
  double mean_confidence = 0;  // mean probability of the predicted class
  // Expected calibration error: sum over bins of their share of the images times
  // |accuracy - confidence| (Guo et al. 2017, arXiv 1706.04599).
  double calibration_error = 0;
  std::array<CalibrationBin, kCalibrationBins> bins;
  std::size_t classes = 0;
  std::vector<std::uint64_t> confusion;  // [label, predicted]

  [[nodiscard]] std::uint64_t confused(std::size_t label, std::size_t predicted) const {
    return confusion[label * classes + predicted];
  }
};

// labels: [images], -1: none. Requires at least one label.
[[nodiscard]] Classification classify(const ClassProbabilities& probabilities,
                                      std::span<const std::int64_t> labels);

// Images whose predicted class is not the label, by descending confidence (a stable order).
[[nodiscard]] std::vector<std::size_t> mistakes(const ClassProbabilities& probabilities,
                                                std::span<const std::int64_t> labels);

}  // namespace valley
