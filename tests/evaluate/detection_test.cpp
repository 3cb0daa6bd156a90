#include "evaluate/detection.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

namespace valley {
namespace {

using Energies = std::vector<float>;

TEST(Auroc, IsTheShareOfOrderedPairs) {
  EXPECT_EQ(auroc(Energies{1, 2}, Energies{3, 4}).value, 1);
  EXPECT_EQ(auroc(Energies{3, 4}, Energies{1, 2}).value, 0);
  EXPECT_EQ(auroc(Energies{1, 3}, Energies{2, 4}).value, 0.75);
  EXPECT_EQ(auroc(Energies{-5}, Energies{-5}).value, 0.5);
  EXPECT_EQ(auroc(Energies{1, 1, 1}, Energies{1, 1}).value, 0.5);
  // 7 of 12 pairs are in order and 3 tied.
  EXPECT_EQ(auroc(Energies{1, 2, 2, 5}, Energies{2, 3, 5}).value, 8.5 / 12);
}

TEST(Auroc, HasNoIntervalForOneImage) {
  const Auroc found = auroc(Energies{1}, Energies{2, 3});
  EXPECT_EQ(found.value, 1);
  EXPECT_FALSE(found.standard_error || found.low || found.high);
  EXPECT_FALSE(auroc(Energies{1, 3}, Energies{2}).low);
}

TEST(Auroc, PerfectSeparationHasIntervalOfWidthZero) {
  const Auroc found = auroc(Energies{1, 2}, Energies{3, 4});
  EXPECT_EQ(found.standard_error, 0);
  EXPECT_EQ(found.low, 1);
  EXPECT_EQ(found.high, 1);
}

// The equations of DeLong et al. by a loop over all pairs.
Auroc of_all_pairs(const Energies& data, const Energies& against) {
  const auto psi = [](float x, float y) { return x < y ? 1 : x == y ? 0.5 : 0; };
  const auto m = static_cast<double>(data.size());
  const auto n = static_cast<double>(against.size());
  double sum = 0;
  for (const float x : data)
    for (const float y : against) sum += psi(x, y);
  const double area = sum / (m * n);
  double of_data = 0;
  for (const float x : data) {
    double component = 0;
    for (const float y : against) component += psi(x, y) / n;
    of_data += (component - area) * (component - area) / (m - 1);
  }
  double of_against = 0;
  for (const float y : against) {
    double component = 0;
    for (const float x : data) component += psi(x, y) / m;
    of_against += (component - area) * (component - area) / (n - 1);
  }
  return {area, std::sqrt(of_data / m + of_against / n), {}, {}};
}

TEST(Auroc, MatchesCountOfAllPairsWithAndWithoutTies) {
  std::mt19937 random(3);
  for (const bool has_ties : {false, true}) {
    for (const auto& [m, n] : {std::pair{2, 2}, {40, 7}, {9, 60}, {200, 150}}) {
      std::normal_distribution<float> normal(0, 2);
      const auto draw = [&](int count, float mean) {
        Energies numbers(static_cast<std::size_t>(count));
        for (float& number : numbers) {
          number = normal(random) + mean;
          if (has_ties) number = std::round(number);
        }
        return numbers;
      };
      Energies data = draw(m, 0);
      Energies against = draw(n, 1);
      const Auroc found = auroc(data, against);
      const Auroc expected = of_all_pairs(data, against);
      EXPECT_NEAR(found.value, expected.value, 1e-14);
      EXPECT_NEAR(*found.standard_error, *expected.standard_error, 1e-14);
      EXPECT_NEAR(*found.low, std::max(0.0, found.value - 1.96 * *found.standard_error), 1e-4);
      EXPECT_NEAR(*found.high, std::min(1.0, found.value + 1.96 * *found.standard_error), 1e-4);
      std::reverse(data.begin(), data.end());
      std::rotate(against.begin(), against.begin() + 1, against.end());
      EXPECT_EQ(auroc(data, against).standard_error, found.standard_error);
      // Exchanged sets are separated as well.
      EXPECT_NEAR(auroc(against, data).value, 1 - found.value, 1e-14);
      EXPECT_NEAR(*auroc(against, data).standard_error, *found.standard_error, 1e-14);
    }
  }
}

// About 95 % of the intervals of many samples of two distributions contain the true area:
// that of two normals one deviation apart is the normal distribution function of 1 / sqrt(2).
TEST(Auroc, IntervalsHaveTheirCoverage) {
  constexpr int kTrials = 1000;
  const double area = 0.5 * std::erfc(-0.5);
  std::mt19937 random(5);
  std::normal_distribution<float> normal(0, 1);
  int held = 0;
  for (int trial = 0; trial < kTrials; ++trial) {
    Energies data(60);
    Energies against(80);
    for (float& number : data) number = normal(random);
    for (float& number : against) number = normal(random) + 1;
    const Auroc found = auroc(data, against);
    if (*found.low <= area && area <= *found.high) ++held;
  }
  EXPECT_GT(held, 920);
  EXPECT_LT(held, 975);
}

TEST(Threshold, KeepsAtLeastTheShareOfData) {
  Energies data;
  for (int i = 1; i <= 20; ++i) data.push_back(static_cast<float>(i));
  const Threshold found = threshold_keeping(0.95, data, Energies{18.5, 19, 19.5, 30});
  EXPECT_EQ(found.energy, 19);
  EXPECT_EQ(found.kept, 0.95);
  EXPECT_EQ(found.false_positives, 0.5);
  EXPECT_EQ(threshold_keeping(1, data, Energies{25}).energy, 20);
  EXPECT_EQ(threshold_keeping(0.951, data, Energies{25}).energy, 20);
  EXPECT_EQ(threshold_keeping(0.01, data, Energies{0}).false_positives, 1);
}

TEST(Threshold, TiesFallOnOneSide) {
  const Threshold found = threshold_keeping(0.95, Energies(30, 4), Energies{3, 4, 5});
  EXPECT_EQ(found.kept, 1);
  EXPECT_EQ(found.false_positives, 2.0 / 3);
}

}  // namespace
}  // namespace valley
