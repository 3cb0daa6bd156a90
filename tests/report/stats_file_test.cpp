#include "report/stats_file.h"

#include <gtest/gtest.h>

#include <cmath>

namespace valley::report {
namespace {

TEST(ReadStats, NamesMetricsByEvent) {
  const Stats stats = read_stats(
      R"({"step": 1, "images": 16, "loss/D": 0.5, "unheard/of": 3}
{"event": "samples", "step": 1, "images": 16, "distance/fake": 0.25, "file": "fakes-00000001.png"}
{"step": 2, "images": 32, "loss/D": null, "note": "text", "flag": true}
{"event": "evaluate", "step": 2, "images": 32, "swd": 9, "swd/floor": 4}
)");
  EXPECT_EQ(stats.lines, 4U);
  EXPECT_EQ(stats.unreadable, 0U);
  EXPECT_EQ(stats.last_step, 2);
  EXPECT_EQ(stats.last_images, 32);
  EXPECT_EQ(stats.grids, std::vector<std::string>{"fakes-00000001.png"});
  std::vector<std::string> names;
  for (const auto& [name, series] : stats.series) names.push_back(name);
  EXPECT_EQ(names, (std::vector<std::string>{"evaluate:swd", "evaluate:swd/floor", "loss/D",
                                             "samples:distance/fake", "unheard/of"}));
  const Series& loss = stats.series.at("loss/D");
  EXPECT_EQ(loss.steps, (std::vector<double>{1, 2}));
  EXPECT_EQ(loss.values[0], 0.5);
  EXPECT_TRUE(std::isnan(loss.values[1]));
}

TEST(ReadStats, IgnoresStepsThatAreNotIntegersOfAStep) {
  const Stats stats = read_stats(
      "{\"step\": 4, \"k\": 1}\n{\"step\": 4e300, \"k\": 1}\n"
      "{\"step\": -1, \"k\": 1}\n{\"step\": null, \"k\": 1}\n");
  EXPECT_EQ(stats.last_step, 4);
  EXPECT_EQ(stats.series.at("k").steps, std::vector<double>{4});
}

TEST(ReadStats, CountsDamagedLinesExceptAnIncompleteLastLine) {
  const std::string whole = "{\"step\": 1, \"k\": 0.1}\n";
  EXPECT_EQ(read_stats(whole + "{\"step\": 2, \"k\"").unreadable, 0U);
  EXPECT_EQ(read_stats(whole + "{\"step\": 2, \"k\": 0.2}").lines, 2U);
  const Stats damaged =
      read_stats("garbage\n" + whole + "[1]\n\n  \n" + std::string(9, '\0') + "\n");
  EXPECT_EQ(damaged.lines, 1U);
  EXPECT_EQ(damaged.unreadable, 3U);
  EXPECT_EQ(read_stats("").lines, 0U);
  EXPECT_LT(read_stats("{\"step\": \"one\"}\n{\"step\": null}\n{\"step\": -4}\n").last_step, 0);
}

TEST(ReadStats, RepeatedStepKeepsTheLastValue) {
  const Stats stats =
      read_stats("{\"step\": 1, \"k\": 1}\n{\"step\": 2, \"k\": 2}\n{\"step\": 2, \"k\": 3}\n");
  EXPECT_EQ(stats.series.at("k").values, (std::vector<double>{1, 3}));
}

TEST(ReadStats, RescuesAreNotMetrics) {
  const Stats stats = read_stats(
      R"({"step": 200, "k": 1}
{"event": "rescue", "step": 200, "images": 3200, "number": 2, "lost": 480, "restored": 300, "kind": "divergence", "text": "M has risen; see", "lr_scale": 0.25}
)");
  ASSERT_EQ(stats.rescues.size(), 1U);
  EXPECT_EQ(stats.rescues[0].step, 200);
  EXPECT_EQ(stats.rescues[0].text,
            "rescue 2: from step 480 to 300, with 0.25 times the learning rate; M has risen; see");
  EXPECT_EQ(stats.series.size(), 1U);
}

TEST(ReadStats, DerivesTheEnergyRatio) {
  const Stats stats = read_stats(
      "{\"step\": 1, \"energy/real\": 4, \"energy/fake\": 6}\n"
      "{\"step\": 2, \"energy/real\": 0, \"energy/fake\": 6}\n");
  EXPECT_EQ(stats.series.at("derived:energy_ratio").steps, std::vector<double>{1});
  EXPECT_EQ(stats.series.at("derived:energy_ratio").values, std::vector<double>{1.5});
}

TEST(ReadStats, NegativeEnergiesHaveNoRatio) {
  const Stats stats = read_stats(
      "{\"step\": 1, \"energy/real\": 4, \"energy/fake\": 6}\n"
      "{\"step\": 2, \"energy/real\": -1, \"energy/fake\": 6}\n");
  EXPECT_FALSE(stats.series.contains("derived:energy_ratio"));
}

TEST(ReadStats, MaganEpochsGiveMeansAndMarginCuts) {
  const Stats stats = read_stats(
      R"({"event": "epoch", "step": 10, "S_D": 40, "S_G": 50, "S_G_previous": null, "steps": 10, "margin": null, "margin_next": 6}
{"event": "epoch", "step": 20, "S_D": 30, "S_G": 60, "S_G_previous": 50, "steps": 10, "margin": 6, "margin_next": 3}
{"event": "epoch", "step": 30, "S_D": 31, "S_G": 40, "S_G_previous": 60, "steps": 10, "margin": 3, "margin_next": 3}
{"event": "epoch", "step": 40, "S_D": 31, "S_G": 40, "S_G_previous": 60, "steps": 0, "margin": 3}
)");
  EXPECT_EQ(stats.series.at("epoch:mean/real").values, (std::vector<double>{4, 3, 3.1}));
  EXPECT_EQ(stats.series.at("epoch:mean/fake").values, (std::vector<double>{5, 6, 4}));
  ASSERT_EQ(stats.cuts.size(), 2U);
  EXPECT_TRUE(std::isnan(stats.cuts[0].from));
  EXPECT_EQ(stats.cuts[0].to, 6);
  EXPECT_EQ(stats.cuts[1].step, 20);
  EXPECT_EQ(stats.cuts[1].from, 6);
  EXPECT_EQ(stats.cuts[1].to, 3);
  const Stats measured = read_stats(
      "{\"event\": \"epoch\", \"step\": 7, \"margin\": 0, \"margin_next\": 0}\n"
      "{\"event\": \"epoch\", \"step\": 14, \"margin\": 0, \"margin_next\": 5}\n");
  ASSERT_EQ(measured.cuts.size(), 1U);
  EXPECT_TRUE(std::isnan(measured.cuts[0].from));
  EXPECT_EQ(measured.cuts[0].to, 5);
}

TEST(ReadStats, ReadsWarnings) {
  const Stats stats = read_stats(
      "{\"event\": \"warning\", \"step\": 7, \"kind\": \"collapse\", \"text\": \"alike\"}\n"
      "{\"event\": \"warning\", \"text\": 3}\n");
  ASSERT_EQ(stats.warnings.size(), 2U);
  EXPECT_EQ(stats.warnings[0].step, 7);
  EXPECT_EQ(stats.warnings[0].kind, "collapse");
  EXPECT_EQ(stats.warnings[0].text, "alike");
  EXPECT_LT(stats.warnings[1].step, 0);
}

}  // namespace
}  // namespace valley::report
