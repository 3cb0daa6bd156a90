#include "report/curve.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace valley::report {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

Series ramp(std::size_t n) {
  Series series;
  for (std::size_t i = 0; i < n; ++i)
    series.add(10.0 * static_cast<double>(i), static_cast<double>(i % 7));
  return series;
}

TEST(Reduce, ShortSeriesIsUnchanged) {
  for (const std::size_t n : {0U, 1U, 2U, 5U}) {
    const Series series = ramp(n);
    const Curve curve = reduce(series, 5);
    EXPECT_EQ(curve.steps, series.steps);
    EXPECT_EQ(curve.mean, series.values);
    EXPECT_EQ(curve.low, series.values);
    EXPECT_EQ(curve.high, series.values);
    EXPECT_FALSE(curve.is_reduced());
  }
}

TEST(Reduce, LongSeriesKeepsItsEndsAndBucketsTheRest) {
  Series series;
  const std::vector<double> values = {100, 1, 2, 3, 4, 5, 6, -50};
  for (std::size_t i = 0; i < values.size(); ++i) series.add(static_cast<double>(i), values[i]);
  const Curve curve = reduce(series, 4);
  EXPECT_EQ(curve.steps, (std::vector<double>{0, 2, 5, 7}));
  EXPECT_EQ(curve.mean, (std::vector<double>{100, 2, 5, -50}));
  EXPECT_EQ(curve.low, (std::vector<double>{100, 1, 4, -50}));
  EXPECT_EQ(curve.high, (std::vector<double>{100, 3, 6, -50}));
  EXPECT_EQ(curve.values, 8U);
  EXPECT_TRUE(curve.is_reduced());
}

TEST(Reduce, SpikesStayInTheRangeOfTheirBucket) {
  Series series = ramp(100'003);
  series.values[54'321] = 1e6;
  const Curve curve = reduce(series, 1000);
  ASSERT_EQ(curve.mean.size(), 1000U);
  EXPECT_EQ(*std::ranges::max_element(curve.high), 1e6);
  EXPECT_EQ(*std::ranges::min_element(curve.low), 0);
  EXPECT_TRUE(std::ranges::is_sorted(curve.steps));
  for (std::size_t i = 0; i < curve.mean.size(); ++i) {
    EXPECT_LE(curve.low[i], curve.mean[i]);
    EXPECT_LE(curve.mean[i], curve.high[i]);
  }
}

TEST(Reduce, IgnoresValuesThatAreNotFinite) {
  Series series;
  for (const double value : {1.0, kNaN, 4.0, 6.0, kNaN, kNaN, kNaN, 9.0})
    series.add(static_cast<double>(series.steps.size()), value);
  const Curve curve = reduce(series, 4);
  EXPECT_EQ(curve.not_finite, 4U);
  EXPECT_EQ(curve.mean[1], 5);
  EXPECT_TRUE(std::isnan(curve.mean[2]));
  EXPECT_TRUE(std::isnan(curve.low[2]));
  EXPECT_EQ(curve.mean[3], 9);
}

TEST(Series, SortKeepsTheLastValueOfAStep) {
  Series series;
  series.add(3, 30);
  series.add(1, 10);
  series.add(3, 31);
  series.add(2, 20);
  series.sort();
  EXPECT_EQ(series.steps, (std::vector<double>{1, 2, 3}));
  EXPECT_EQ(series.values, (std::vector<double>{10, 20, 31}));
}

}  // namespace
}  // namespace valley::report
