#include "run/slow_ranks.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

namespace valley {
namespace {

// A report on `steps` steps of ranks with these times per step in seconds; the slowest rank does
// not wait.
JobReport report_of(std::int64_t steps, const std::vector<double>& compute,
                    std::vector<double> data = {}) {
  data.resize(compute.size(), 0);
  double longest = 0;
  for (std::size_t r = 0; r < compute.size(); ++r)
    longest = std::max(longest, compute[r] + data[r]);
  JobReport report;
  report.steps = steps;
  for (std::size_t r = 0; r < compute.size(); ++r)
    report.ranks.push_back(
        {"n0" + std::to_string(r), compute[r], longest - compute[r] - data[r], data[r]});
  return report;
}

// Step and kind of the warnings of reports on 10 steps each.
std::string warnings_of(SlowRanks& watch, const std::vector<JobReport>& reports,
                        std::string* text = nullptr) {
  std::string all;
  std::int64_t step = 0;
  for (const JobReport& report : reports) {
    step += report.steps;
    for (const RunWarning& w : watch.report(step, report)) {
      all += std::to_string(step) + " " + w.kind + "; ";
      if (text != nullptr) *text = w.text;
    }
  }
  return all;
}

std::vector<JobReport> repeat(const JobReport& report, std::size_t n) {
  return std::vector<JobReport>(n, report);
}

std::vector<JobReport> operator+(std::vector<JobReport> a, const std::vector<JobReport>& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

TEST(SlowRanks, NamesARankThatIsSlowInThreeReports) {
  SlowRanks watch(true);
  std::string text;
  // 10 steps of 0.7 s last long enough for a joined report.
  EXPECT_EQ(warnings_of(watch, repeat(report_of(10, {0.5, 0.5, 0.7, 0.5}), 20), &text),
            "30 slow-rank; ");
  EXPECT_NE(text.find("rank 2 (host n02) has been slower than the others since step 0: it computes "
                      "for 700 ms per step, the median of the others 500 ms. Its steps take 40 % "
                      "longer"),
            std::string::npos)
      << text;
}

TEST(SlowRanks, OfTwoRanksComparesEachWithTheOther) {
  SlowRanks watch(true);
  std::string text;
  EXPECT_EQ(warnings_of(watch, repeat(report_of(10, {0.6, 0.5}), 9), &text), "30 slow-rank; ");
  EXPECT_NE(text.find("rank 0 "), std::string::npos);
  SlowRanks even(true);
  EXPECT_EQ(warnings_of(even, repeat(report_of(10, {0.57, 0.5}), 9)), "");  // 14 %
}

TEST(SlowRanks, SaysWhetherTheRankWaitsForImages) {
  SlowRanks watch(true);
  std::string text;
  EXPECT_EQ(warnings_of(watch, repeat(report_of(10, {0.5, 0.5, 0.5}, {0, 0.2, 0}), 5), &text),
            "30 slow-rank; ");
  EXPECT_NE(text.find("rank 1 (host n01)"), std::string::npos);
  EXPECT_NE(text.find("waits for images for 200 ms per step, the median of the others 0 ms"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("data.path"), std::string::npos);
}

TEST(SlowRanks, IgnoresAShortSlowdownAndAOneOffReport) {
  SlowRanks watch(true);
  const auto slow = repeat(report_of(10, {0.5, 0.9}), 2);
  const auto even = repeat(report_of(10, {0.5, 0.5}), 1);
  EXPECT_EQ(warnings_of(watch, slow + even + slow + even + slow + even), "");
}

TEST(SlowRanks, JoinsShortReports) {
  SlowRanks watch(true);
  // Reports of 0.3 s: 14 of them are joined three times.
  EXPECT_EQ(warnings_of(watch, repeat(report_of(1, {0.2, 0.3}), 60)), "42 slow-rank; ");
}

TEST(SlowRanks, NoiseOfSingleStepsIsNotAWarning) {
  SlowRanks watch(true);
  std::mt19937 random(3);
  std::lognormal_distribution<double> noise(0, 0.3);
  std::vector<JobReport> reports;
  for (int i = 0; i < 20'000; ++i) {
    std::vector<double> compute;
    for (int r = 0; r < 8; ++r) compute.push_back(0.1 * noise(random));
    reports.push_back(report_of(1, compute));
  }
  EXPECT_EQ(warnings_of(watch, reports), "");
}

TEST(SlowRanks, WarnsAgainOnlyAfterARecovery) {
  SlowRanks watch(true);
  const auto slow = repeat(report_of(10, {0.5, 0.5, 0.8}), 5);
  const auto even = repeat(report_of(10, {0.5, 0.5, 0.5}), 5);
  EXPECT_EQ(warnings_of(watch, slow + even + slow), "30 slow-rank; 80 recovery; 130 slow-rank; ");
}

TEST(SlowRanks, SeveralSlowRanksAreAllNamed) {
  SlowRanks watch(true);
  EXPECT_EQ(warnings_of(watch, repeat(report_of(10, {0.7, 0.5, 0.5, 0.5, 0.5, 0.8}), 4)),
            "30 slow-rank; 30 slow-rank; ");
}

TEST(SlowRanks, OnGpusOnlyWaitingForImagesCounts) {
  SlowRanks watch(false);
  EXPECT_EQ(warnings_of(watch, repeat(report_of(10, {0.5, 0.9}), 9)), "");
  SlowRanks reading(false);
  EXPECT_EQ(warnings_of(reading, repeat(report_of(10, {0.5, 0.5}, {0, 0.3}), 4)), "30 slow-rank; ");
}

TEST(SlowRanks, OneRankIsNeverSlow) {
  SlowRanks watch(true);
  EXPECT_EQ(warnings_of(watch, repeat(report_of(10, {5}), 20)), "");
}

TEST(Slowest, IsRelativeToTheMedianOfTheOthers) {
  EXPECT_EQ(slowest({1, 3, 2}).rank, 1);
  EXPECT_DOUBLE_EQ(slowest({1, 3, 2}).spread, 1);
  EXPECT_DOUBLE_EQ(slowest({2, 3}).spread, 0.5);
  EXPECT_DOUBLE_EQ(slowest({2}).spread, 0);
  EXPECT_DOUBLE_EQ(median({4, 1, 3, 2}), 2.5);
  EXPECT_DOUBLE_EQ(median({4, 1, 3}), 3);
}

}  // namespace
}  // namespace valley
