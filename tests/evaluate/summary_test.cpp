#include "evaluate/summary.h"

#include <gtest/gtest.h>

#include <vector>

namespace valley {
namespace {

TEST(Summary, OfOneValueIsThatValue) {
  const Summary summary = summarize(std::vector<float>{-2.5});
  EXPECT_EQ(summary.count, 1U);
  for (const double value : {summary.mean, summary.min, summary.max, summary.percentiles[0]})
    EXPECT_EQ(value, -2.5);
  EXPECT_EQ(summary.deviation, 0);
}

// Expected values from numpy.percentile and numpy.std(ddof=1).
TEST(Summary, MatchesNumpy) {
  const Summary summary = summarize(std::vector<float>{4, 1, 16, 9, 25, 36});
  EXPECT_EQ(summary.count, 6U);
  EXPECT_NEAR(summary.mean, 91.0 / 6, 1e-12);
  EXPECT_NEAR(summary.deviation, 13.377842377105, 1e-9);
  EXPECT_EQ(summary.min, 1);
  EXPECT_EQ(summary.max, 36);
  const std::vector<double> expected = {1.75, 5.25, 12.5, 22.75, 33.25};
  for (std::size_t i = 0; i < expected.size(); ++i)
    EXPECT_NEAR(summary.percentiles[i], expected[i], 1e-12) << kPercents[i];
}

TEST(Summary, IsBitwiseIndependentOfOrder) {
  const Summary a = summarize(std::vector<float>{1e8F, 1, -1e8F, 0.1F, 3e-5F});
  const Summary b = summarize(std::vector<float>{0.1F, -1e8F, 3e-5F, 1e8F, 1});
  EXPECT_EQ(a.mean, b.mean);
  EXPECT_EQ(a.deviation, b.deviation);
}

}  // namespace
}  // namespace valley
