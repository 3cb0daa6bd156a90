// Classification metrics compared with hand-computed values.
#include "evaluate/classification.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <vector>

namespace valley {
namespace {

// Scores whose softmax is `probabilities`, with an added constant.
std::vector<float> scores_of(const std::vector<double>& probabilities, double shift = 0) {
  std::vector<float> scores;
  for (const double p : probabilities) scores.push_back(static_cast<float>(std::log(p) + shift));
  return scores;
}

TEST(ClassProbabilities, AreTheSoftmaxForLargeScores) {
  for (const double shift : {0.0, -3000.0, 3000.0}) {
    const ClassProbabilities p(scores_of({0.5, 0.25, 0.25, 0.125, 0.125, 0.75}, shift), 3);
    ASSERT_EQ(p.images(), 2U);
    EXPECT_NEAR(p.of(0)[0], 0.5, 1e-3);
    EXPECT_NEAR(p.of(1)[1], 0.125, 1e-3);
    EXPECT_NEAR(p.of(1)[0] + p.of(1)[1] + p.of(1)[2], 1, 1e-12);
    EXPECT_EQ(p.predicted(0), 0U);
    EXPECT_EQ(p.predicted(1), 2U);
    EXPECT_NEAR(p.confidence(1), 0.75, 1e-3);
    EXPECT_NEAR(p.log_probability(1, 0), std::log(0.125), 1e-3);
  }
}

TEST(ClassProbabilities, LogarithmIsFiniteIfProbabilityUnderflows) {
  const std::array<float, 2> scores = {0, -5000};
  const ClassProbabilities p(scores, 2);
  EXPECT_EQ(p.of(0)[1], 0);
  EXPECT_DOUBLE_EQ(p.log_probability(0, 1), -5000);
}

TEST(ClassProbabilities, EqualScoresPredictTheFirstClass) {
  const std::array<float, 3> scores = {1, 2, 2};
  EXPECT_EQ(ClassProbabilities(scores, 3).predicted(0), 1U);
}

// For 0 of n hits the upper end is z^2 / (n + z^2), of all hits the lower end n / (n + z^2); of
// half of them both lie z / (2 sqrt(n + z^2)) from the middle.
TEST(WilsonInterval, MatchesClosedForms) {
  constexpr double kSquare = 1.959963984540054 * 1.959963984540054;
  const Interval none = wilson_interval(0, 20);
  EXPECT_EQ(none.low, 0);
  EXPECT_NEAR(none.high, kSquare / (20 + kSquare), 1e-14);
  const Interval all = wilson_interval(20, 20);
  EXPECT_NEAR(all.low, 20 / (20 + kSquare), 1e-14);
  EXPECT_EQ(all.high, 1);
  const Interval half = wilson_interval(50, 100);
  EXPECT_NEAR(half.high - 0.5, std::sqrt(kSquare) / (2 * std::sqrt(100 + kSquare)), 1e-14);
  EXPECT_NEAR(half.low + half.high, 1, 1e-14);
}

// Four images of two classes with confidences 0.9, 0.9 (right, wrong), 0.6, 0.6 (both right).
TEST(Classify, SumsMetricsOverImages) {
  const ClassProbabilities p(scores_of({0.9, 0.1, 0.9, 0.1, 0.4, 0.6, 0.6, 0.4}), 2);
  const std::array<std::int64_t, 4> labels = {0, 1, 1, 0};
  const Classification c = classify(p, labels);
  EXPECT_EQ(c.images, 4U);
  EXPECT_EQ(c.right, 3U);
  EXPECT_DOUBLE_EQ(c.accuracy, 0.75);
  EXPECT_NEAR(c.mean_confidence, 0.75, 1e-6);
  EXPECT_NEAR(c.log_loss, -(std::log(0.9) + std::log(0.1) + 2 * std::log(0.6)) / 4, 1e-6);
  EXPECT_NEAR(c.brier, (2 * 0.01 + 2 * 0.81 + 2 * 2 * 0.16) / 4, 1e-6);
  // |0.5 - 0.9| and |1 - 0.6| of half of the images each.
  EXPECT_NEAR(c.calibration_error, 0.4, 1e-6);
  EXPECT_EQ(c.confused(0, 0), 2U);
  EXPECT_EQ(c.confused(1, 0), 1U);
  EXPECT_EQ(c.confused(0, 1), 0U);
  EXPECT_EQ(c.confused(1, 1), 1U);
}

TEST(Classify, CalibrationBinsIncludeTheirUpperEnd) {
  // Three images of 15 bins: 0.5 in the eighth, (7/15, 8/15]; 1 in the last one.
  const std::array<float, 6> scores = {0, 0, 0, -5000, -5000, 0};
  const std::array<std::int64_t, 3> labels = {0, 0, 0};
  const Classification c = classify(ClassProbabilities(scores, 2), labels);
  EXPECT_EQ(c.bins[7].images, 1U);
  EXPECT_EQ(c.bins[14].images, 2U);
  EXPECT_DOUBLE_EQ(c.bins[14].accuracy, 0.5);
  EXPECT_DOUBLE_EQ(c.bins[14].confidence, 1);
  EXPECT_DOUBLE_EQ(c.calibration_error, 0.5 / 3 + 1.0 / 3);
  EXPECT_DOUBLE_EQ(c.log_loss, (std::log(2) + 5000) / 3);
  EXPECT_DOUBLE_EQ(c.brier, (0.5 + 2) / 3);
}

TEST(Classify, IgnoresImagesWithoutLabel) {
  const ClassProbabilities p(scores_of({0.9, 0.1, 0.2, 0.8, 0.3, 0.7}), 2);
  const std::array<std::int64_t, 3> labels = {-1, 1, 0};
  const Classification c = classify(p, labels);
  EXPECT_EQ(c.images, 2U);
  EXPECT_EQ(c.right, 1U);
  EXPECT_EQ(mistakes(p, labels), std::vector<std::size_t>{2});
}

TEST(Mistakes, AreSortedByDescendingConfidence) {
  const ClassProbabilities p(scores_of({0.6, 0.4, 0.9, 0.1, 0.1, 0.9, 0.9, 0.1}), 2);
  const std::array<std::int64_t, 4> labels = {1, 1, 1, 1};
  EXPECT_EQ(mistakes(p, labels), (std::vector<std::size_t>{1, 3, 0}));
}

}  // namespace
}  // namespace valley
