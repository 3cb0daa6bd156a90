#include "record/histogram.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "core/read_file.h"
#include "support/temporary_folder.h"

namespace valley {
namespace {

using Numbers = std::vector<double>;
using Labels = std::vector<std::string>;

TEST(Histogram, RangeIsThatOfAllSets) {
  const std::vector<float> a = {2, 3};
  const std::vector<float> b = {-1, 2.5};
  const std::vector<HistogramSet> sets = {{"a", a, kBlue}, {"b", b, kOrange}};
  EXPECT_EQ(range_of(sets).low, -1);
  EXPECT_EQ(range_of(sets).high, 3);
  const std::vector<float> same = {5, 5, 5};
  const std::vector<HistogramSet> one = {{"one", same, kBlue}};
  EXPECT_LT(range_of(one).low, 5);
  EXPECT_GT(range_of(one).high, 5);
  const std::vector<float> zero = {0};
  const std::vector<HistogramSet> none = {{"zero", zero, kBlue}};
  EXPECT_LT(range_of(none).low, range_of(none).high);
}

TEST(Histogram, SharesHaveBothEnds) {
  const std::vector<float> values = {0, 0.5F, 1, 3.9F, 4};
  EXPECT_EQ(histogram_shares(values, {0, 4}, 4), (Numbers{0.4, 0.2, 0, 0.4}));
}

TEST(Histogram, TicksAreRoundAndWithin) {
  EXPECT_EQ(axis_ticks({0, 10}, 6), (Numbers{0, 2, 4, 6, 8, 10}));
  EXPECT_EQ(axis_ticks({-0.7, 1.1}, 5), (Numbers{-0.5, 0, 0.5, 1}));
  EXPECT_EQ(tick_labels({-0.5, 0, 0.5, 1}), (Labels{"-0.5", "0.0", "0.5", "1.0"}));
  EXPECT_EQ(tick_labels(axis_ticks({0.00311, 0.00329}, 5)),
            (Labels{"0.00315", "0.00320", "0.00325"}));
  EXPECT_EQ(tick_labels({0, 2e6, 4e6}), (Labels{"0", "2e+06", "4e+06"}));
  EXPECT_EQ(tick_labels({1000, 1200}), (Labels{"1000", "1200"}));
  for (const double scale : {1e-12, 3e-3, 1.0, 7.7, 123456.0, 1e20}) {
    for (const double low : {-1.0, 0.0, 0.3, 40.0}) {
      const Range range{low * scale, (low + 1) * scale};
      const Numbers ticks = axis_ticks(range, 7);
      EXPECT_GE(ticks.size(), 2U) << scale << " " << low;
      EXPECT_LE(ticks.size(), 7U) << scale << " " << low;
      const Labels labels = tick_labels(ticks);
      for (std::size_t i = 1; i < labels.size(); ++i) EXPECT_NE(labels[i], labels[i - 1]);
    }
  }
}

TEST(Histogram, ImageHasTheColorsOfItsSets) {
  const TemporaryFolder folder;
  const std::vector<float> a = {1, 2, 2, 3};
  const std::vector<float> b = {2, 2.5F, 7};
  const std::vector<HistogramSet> sets = {{"a", a, kBlue}, {"b", b, kOrange}};
  const Png png = write_histogram(folder / "h.png", sets, "energy");
  EXPECT_EQ(png.bytes, read_file(folder / "h.png"));
  EXPECT_EQ(png.bytes, write_histogram(folder / "again.png", sets, "energy").bytes);
  const std::vector<HistogramSet> turned = {{"a", a, kOrange}, {"b", b, kBlue}};
  EXPECT_NE(png.bytes, write_histogram(folder / "turned.png", turned, "energy").bytes);
}

}  // namespace
}  // namespace valley
