#include "report/run_groups.h"

#include <fmt/core.h>
#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "report/page_data.h"
#include "report/page_text.h"

namespace valley::report {
namespace {

RunFiles run_of(int number, const std::string& lr, int seed, const std::string& stats) {
  RunFiles run;
  run.name = fmt::format("{:05}-began-64", number);
  run.settings = {
      {"objective.name", "\"began\""}, {"optimizer.lr", lr}, {"train.seed", std::to_string(seed)}};
  run.stats = read_stats(stats);
  run.end = {{"exit_code", "0"}};
  return run;
}

std::string values(const std::vector<double>& m) {
  std::string text;
  for (std::size_t i = 0; i < m.size(); ++i)
    text += fmt::format(
        "{{\"step\": {}, \"M\": {}, \"energy/real/q05\": 1, \"energy/real/q95\": 2, "
        "\"energy/real\": 1.5}}\n",
        10 * (i + 1), std::isfinite(m[i]) ? fmt::format("{}", m[i]) : "null");
  return text;
}

// Scipy: scipy.stats.t.interval(0.95, n - 1, mean, sem).
TEST(MeanInterval, IsThatOfStudentsT) {
  EXPECT_NEAR(mean_interval({1, 3}), 12.7062, 1e-4);
  EXPECT_NEAR(mean_interval({1, 2, 3, 4}), 1.5 * 1.0 / 1.5 * 3.1824463 * std::sqrt(5.0 / 12), 1e-4);
  EXPECT_EQ(mean_interval({2, 2, 2}), 0);
  // Beyond the table: t(40) = 2.0211, t(200) = 1.9719.
  for (const auto& [degrees, t] : {std::pair{21, 2.0796}, {40, 2.0211}, {200, 1.9719}}) {
    std::vector<double> sample(static_cast<std::size_t>(degrees + 1), 0.0);
    sample[0] = 1;
    const double n = degrees + 1;
    EXPECT_NEAR(mean_interval(sample), t * std::sqrt((1 / n - 1 / (n * n)) / (n - 1)), 1e-4 / n);
  }
}

TEST(GroupRuns, RunsThatDifferInTheSeedAloneAreOneEntry) {
  std::vector<RunFiles> runs = {
      run_of(0, "1e-4", 7, values({2, 4})), run_of(1, "1e-3", 7, values({9, 9})),
      run_of(2, "1e-4", 8, values({4, 4})), run_of(3, "1e-4", 7, values({6, 7}))};
  EXPECT_EQ(count_groups(runs), 2U);
  const std::vector<RunFiles> entries = group_runs(runs);
  ASSERT_EQ(entries.size(), 2U);
  EXPECT_EQ(entries[0].name, "began-64 lr=1e-4 (3 seeds)");
  EXPECT_EQ(entries[0].members, 3U);
  EXPECT_EQ(entries[0].setting("train.seed"), "7, 8, 7");
  EXPECT_EQ(entries[0].stats.series.at("M").values, (std::vector<double>{4, 5}));
  const Interval& interval = entries[0].intervals.at("M");
  EXPECT_NEAR(interval.high.values[0], 4 + 4.3027 * 2 / std::sqrt(3.0), 1e-3);
  EXPECT_NEAR(interval.low.values[0], 4 - 4.3027 * 2 / std::sqrt(3.0), 1e-3);
  EXPECT_EQ(interval.last_count, 3U);
  EXPECT_EQ(entries[1].name, "00001-began-64");  // alone: as it is
  EXPECT_EQ(entries[1].members, 1U);
  EXPECT_EQ(runs[1].entry, 1U);
  EXPECT_EQ(runs[3].entry, 0U);
}

TEST(GroupRuns, SeedsThatEndEarlyCountWhileTheyLast) {
  std::vector<RunFiles> runs = {run_of(0, "1e-4", 0, values({1, 1, 1, 1})),
                                run_of(1, "1e-4", 1, values({3, NAN, 3})),
                                run_of(2, "1e-4", 2, values({5}))};
  runs[2].end = {{"exit_code", "70"}, {"why", "not finite"}};
  const RunFiles group = group_runs(runs).front();
  EXPECT_EQ(group.stats.series.at("M").steps, (std::vector<double>{10, 30}));
  EXPECT_EQ(group.stats.series.at("M").values, (std::vector<double>{3, 2}));
  EXPECT_EQ(group.intervals.at("M").last_count, 2U);
  EXPECT_EQ(group.name, "began-64 (3 seeds)");
  EXPECT_EQ(describe_state(group).kind, "failed");
  EXPECT_EQ(describe_state(group).text, "seeds 0, 1, 2: 2 done; 1 failed (seed 2, at step 10)");
}

TEST(GroupRuns, RunsWithoutSettingsStayAlone) {
  std::vector<RunFiles> runs(2);
  EXPECT_EQ(count_groups(runs), 2U);
  EXPECT_EQ(group_runs(runs).size(), 2U);
}

TEST(GroupRuns, NamesTellGroupsApart) {
  std::vector<RunFiles> runs;
  for (int i = 0; i < 8; ++i) {
    runs.push_back(run_of(i, "1e-4", i % 2, values({1})));
    // Four keys that differ, of which names have three.
    for (const auto& [key, bit] : {std::pair{"a.a", 1}, {"b.b", 1}, {"c.c", 1}, {"d.d", 2}})
      runs.back().settings.emplace_back(key, std::to_string(i / 2 & bit));
  }
  const std::vector<RunFiles> entries = group_runs(runs);
  ASSERT_EQ(entries.size(), 4U);
  EXPECT_EQ(entries[0].name, "began-64 a=0 b=0 c=0 (2 seeds) from 00000-began-64");
  EXPECT_EQ(entries[1].name, "began-64 a=1 b=1 c=1 (2 seeds) from 00002-began-64");
  EXPECT_EQ(entries[2].name, "began-64 a=0 b=0 c=0 (2 seeds) from 00004-began-64");
}

TEST(GroupRuns, BandOfAGroupIsItsInterval) {
  std::vector<RunFiles> runs = {run_of(0, "1e-4", 0, values({1, 2})),
                                run_of(1, "1e-4", 1, values({3, 4}))};
  const std::vector<RunFiles> entries = group_runs(runs);
  const nlohmann::json data = nlohmann::json::parse(page_data(entries));
  EXPECT_EQ(data["runs"].size(), 1U);
  for (const nlohmann::json& panel : data["panels"]) {
    for (const nlohmann::json& trace : panel["traces"]) {
      ASSERT_EQ(trace["bands"].size(), 1U) << panel["title"];
      if (panel["title"] == "M") {
        EXPECT_EQ(trace["mean"], nlohmann::json({2, 3}));
        EXPECT_EQ(trace["bands"][0]["high"], nlohmann::json({14.7062, 15.7062}));
      }
    }
  }
  const std::string table = groups_table(entries);
  EXPECT_NE(table.find("<td>3 ± 13 (n = 2)</td>"), std::string::npos) << table;
  EXPECT_EQ(groups_table({runs.front()}), "");
}

}  // namespace
}  // namespace valley::report
