#include "run/watch.h"

#include <gtest/gtest.h>

#include <fstream>
#include <limits>

#include "support/temporary_folder.h"

namespace valley {
namespace {

using Values = RunWatch::Values;
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

// Step and kind of each warning for reports every 100 steps.
std::string warnings_by_step(RunWatch& watch, const std::vector<Values>& reports,
                             std::int64_t first = 100) {
  std::string all;
  for (std::size_t i = 0; i < reports.size(); ++i) {
    const std::int64_t step = first + 100 * static_cast<std::int64_t>(i);
    for (const RunWarning& w : watch.report(step, reports[i]))
      all += std::to_string(step) + " " + w.kind + "; ";
  }
  return all;
}

std::vector<Values> constant(const Values& values, std::size_t n) {
  return std::vector<Values>(n, values);
}

std::vector<Values> series(const std::string& name, const std::vector<double>& values) {
  std::vector<Values> all;
  for (const double v : values) all.push_back({{name, v}});
  return all;
}

std::string warnings_by_grid(RunWatch& watch, const std::vector<double>& distances) {
  std::string all;
  for (const double d : distances) {
    const auto warnings = watch.samples(100, {d, 0.2, {}});
    all += warnings.empty() ? '.' : warnings.front().kind == "recovery" ? 'r' : 'W';
  }
  return all;
}

TEST(RunWatch, WarnsOncePerCollapseAndReportsRecovery) {
  RunWatch watch(true);
  // The data have a distance of 0.2: a collapse begins below 0.05 and ends at 0.07.
  EXPECT_EQ(warnings_by_grid(
                watch, {0.09, 0.049, 0.06, 0.049, 0.04, 0.03, 0.06, 0.04, 0.04, 0.08, 0.04, 0.04}),
            "....W....r.W");
}

TEST(RunWatch, GridAtStepZeroIsIgnored) {
  RunWatch watch(true);
  EXPECT_TRUE(watch.samples(0, {0.01, 0.2, {}}).empty());
  EXPECT_TRUE(watch.samples(100, {0.01, 0.2, {}}).empty());
  EXPECT_FALSE(watch.samples(200, {0.01, 0.2, {}}).empty());
}

TEST(RunWatch, CollapseWarningContainsTheDistances) {
  RunWatch watch(true);
  static_cast<void>(watch.samples(100, {0.02, 0.2, {}}));
  const auto warnings = watch.samples(100, {0.02, 0.2, {}});
  ASSERT_EQ(warnings.size(), 1U);
  EXPECT_EQ(warnings[0].kind, "collapse");
  for (const char* value : {"0.02,", "0.10", "0.2 "})
    EXPECT_NE(warnings[0].text.find(value), std::string::npos) << warnings[0].text;
}

TEST(RunWatch, LaggingAverageIsNotACollapse) {
  RunWatch watch(true);
  const SampleDistances lagging{0.0, 0.2, 0.16};
  EXPECT_TRUE(watch.samples(100, lagging).empty());
  const auto warnings = watch.samples(200, lagging);
  ASSERT_EQ(warnings.size(), 1U);
  EXPECT_EQ(warnings[0].kind, "average");
  EXPECT_NE(warnings[0].text.find("train.ema_half_life"), std::string::npos);
  EXPECT_TRUE(watch.samples(300, lagging).empty());
  EXPECT_TRUE(watch.samples(400, {0.15, 0.2, 0.16}).empty());
  // If the trained weights collapse too, only the collapse is reported.
  EXPECT_TRUE(watch.samples(500, {0.15, 0.2, 0.01}).empty());
  const auto collapse = watch.samples(600, {0.01, 0.2, 0.01});
  ASSERT_EQ(collapse.size(), 1U);
  EXPECT_EQ(collapse[0].kind, "collapse");
  EXPECT_TRUE(watch.samples(700, {0.01, 0.2, 0.01}).empty());
}

TEST(RunWatch, NotFiniteAndZeroDistancesAreIgnored) {
  RunWatch watch(true);
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(watch.samples(100, {kNan, 0.2, {}}).empty());
    EXPECT_TRUE(watch.samples(100, {0.0, 0.0, {}}).empty());  // all images of the data are equal
  }
}

TEST(RunWatch, KAtABoundForLongIsSaturation) {
  for (const double bound : {0.0, 1.0}) {
    RunWatch watch(true);
    EXPECT_EQ(warnings_by_step(watch, constant({{"k", bound}}, 60)), "2000 saturation; ") << bound;
    EXPECT_EQ(warnings_by_step(watch, constant({{"k", 0.5}}, 1)), "");
    EXPECT_EQ(warnings_by_step(watch, constant({{"k", bound}}, 21)), "2000 saturation; ") << bound;
  }
}

TEST(RunWatch, KThatLeavesItsBoundIsNotSaturation) {
  RunWatch watch(true);
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(warnings_by_step(watch, constant({{"k", 0.0}}, 19)), "");
    EXPECT_EQ(warnings_by_step(watch, constant({{"k", 0.01}}, 1)), "");
  }
}

TEST(RunWatch, SaturationNeedsAThousandSteps) {
  RunWatch watch(true);
  for (std::int64_t step = 1; step <= 1000; ++step)
    EXPECT_TRUE(watch.report(step, {{"k", 0.0}}).empty()) << step;
  EXPECT_EQ(watch.report(1001, {{"k", 0.0}}).size(), 1U);
}

TEST(RunWatch, HingeOffInTheFirstReportWarnsOnce) {
  RunWatch watch(true);
  const auto warnings = watch.report(1, {{"hinge/active", 0}, {"margin", 3}, {"energy/fake", 8}});
  ASSERT_EQ(warnings.size(), 1U);
  EXPECT_EQ(warnings[0].kind, "margin");
  EXPECT_NE(warnings[0].text.find("off from the start"), std::string::npos) << warnings[0].text;
  EXPECT_NE(warnings[0].text.find("margin 3, mean energy of generated samples 8"),
            std::string::npos)
      << warnings[0].text;
  EXPECT_EQ(warnings_by_step(watch, constant({{"hinge/active", 0}}, 60)), "");
}

TEST(RunWatch, HingeOffOrFullForLongGivesAWarning) {
  RunWatch off(true);
  EXPECT_EQ(warnings_by_step(off, constant({{"hinge/active", 0.7}}, 30)), "");
  EXPECT_EQ(warnings_by_step(off, constant({{"hinge/active", 0}}, 30)), "2000 margin; ");
  RunWatch full(true);
  EXPECT_EQ(warnings_by_step(full, constant({{"hinge/active", 1}}, 30)), "2000 margin; ");
}

TEST(RunWatch, HingeIsIgnoredDuringPretraining) {
  RunWatch watch(true);
  EXPECT_EQ(warnings_by_step(watch, constant({{"hinge/active", kNan}}, 60)), "");
  EXPECT_EQ(watch.report(7000, {{"hinge/active", 0}}).size(), 1U);
}

TEST(RunWatch, EnergyFarAboveItsMinimumIsDivergence) {
  for (const char* name : {"M", "energy/real"}) {
    RunWatch watch(true);
    EXPECT_EQ(warnings_by_step(watch, series(name, {0.8, 0.1, 0.05, 0.4, 0.6, 0.4})), "")
        << name;  // only one report above the limit
    EXPECT_EQ(warnings_by_step(watch, series(name, {0.6, 0.7, 0.8, 0.3, 0.7, 0.7})),
              "200 divergence; ")
        << name;
    EXPECT_EQ(warnings_by_step(watch, series(name, {0.2, 0.7, 0.7})), "300 divergence; ") << name;
  }
}

TEST(RunWatch, RiseOfMAndRealEnergyWarnsOnce) {
  RunWatch watch(true);
  EXPECT_EQ(warnings_by_step(watch, constant({{"M", 0.1}, {"energy/real", 0.05}}, 3)), "");
  EXPECT_EQ(warnings_by_step(watch, constant({{"M", 9}, {"energy/real", 9}}, 5)),
            "200 divergence; ");
}

TEST(RunWatch, MinimumRestartsWithGeneratedSamples) {
  RunWatch watch(true);
  EXPECT_EQ(warnings_by_step(watch, constant({{"M", 0.1}, {"energy/fake", kNan}}, 5)), "");
  EXPECT_EQ(warnings_by_step(watch, constant({{"M", 5}, {"energy/fake", 4}}, 5)), "");
}

TEST(RunWatch, SignedEnergiesAreCheckedByTheirLoss) {
  RunWatch watch(false);
  EXPECT_EQ(warnings_by_step(watch, series("energy/real", {0.001, 0.5, -3, 0.9, 2})), "");
  EXPECT_EQ(
      warnings_by_step(watch, series("loss/E", {0.1, -2e4, 5e3, -2e4, -3e4, 2e4, 10, 2e4, 2e4})),
      "500 divergence; 900 divergence; ");
  RunWatch errors(true);
  EXPECT_EQ(warnings_by_step(errors, series("loss/D", {2e4, 2e4, 2e4})), "");  // l2_sum
}

TEST(RunWatch, ExplodingGradientGivesAWarning) {
  RunWatch watch(true);
  EXPECT_EQ(warnings_by_step(watch, constant({{"grad_norm/G", 0}}, 20)), "");  // not trained yet
  EXPECT_EQ(warnings_by_step(watch, series("grad_norm/G", {2, 900, 1, 3})), "");
  EXPECT_EQ(warnings_by_step(watch, constant({{"grad_norm/G", 2}}, 20)), "");
  EXPECT_EQ(warnings_by_step(watch, series("grad_norm/G", {5000, 3, 5000, 6000, 7000, 1e6})),
            "400 gradient; ");
  EXPECT_EQ(warnings_by_step(watch, series("grad_norm/G", {2, 2, 5000, 6000})), "400 gradient; ");
}

RunWatch::Values gap(double size, double error = 0.5) {
  return {{"free_energy/gap", size}, {"free_energy/gap_error", error}};
}

TEST(RunWatch, GrowingValidationGapIsOverfitting) {
  RunWatch watch(false);
  for (const double size : {-0.5, 0.2, 1.0, 3.9})
    EXPECT_TRUE(watch.validation("layers.0", gap(size)).empty());
  EXPECT_TRUE(watch.validation("layers.0", gap(4.5)).empty());  // one validation is not enough
  const auto warnings = watch.validation("layers.0", gap(5));
  ASSERT_EQ(warnings.size(), 1U);
  EXPECT_EQ(warnings[0].kind, "overfitting");
  EXPECT_NE(warnings[0].text.find("lies 5 above"), std::string::npos) << warnings[0].text;
  EXPECT_TRUE(watch.validation("layers.0", gap(6)).empty());  // already reported
  // Each layer is compared with its own first gap.
  for (const double size : {6.0, 7.0, 8.0})
    EXPECT_TRUE(watch.validation("layers.1", gap(size)).empty());
  EXPECT_TRUE(watch.validation("layers.1", gap(11)).empty());
  EXPECT_EQ(watch.validation("layers.1", gap(12)).size(), 1U);
}

TEST(RunWatch, ReplayRestoresTheValidationGap) {
  const TemporaryFolder folder;
  const auto file = folder.path() / "stats.jsonl";
  std::ofstream(file) << R"({"event": "validation", "step": 4, "stage": "layers.0", )"
                      << R"("free_energy/gap": 0.1, "free_energy/gap_error": 0.5})"
                      << "\n"
                      << R"({"event": "validation", "step": 8, "stage": "layers.0", )"
                      << R"("free_energy/gap": 6.0, "free_energy/gap_error": 0.5})"
                      << "\n";
  RunWatch watch(false);
  watch.replay(file);
  EXPECT_EQ(watch.validation("layers.0", gap(6)).size(), 1U);
}

// Like an uninterrupted run: earlier warnings are not repeated, and conditions keep their duration.
TEST(RunWatch, ReplayContinuesConditionsWithoutRepeatingWarnings) {
  const TemporaryFolder folder;
  const auto file = folder.path() / "stats.jsonl";
  {
    std::ofstream out(file);
    for (int step = 100; step <= 1900; step += 100)
      out << R"({"step": )" << step << R"(, "k": 0, "M": null})"
          << "\n";
    for (int i = 0; i < 2; ++i)
      out << R"({"event": "samples", "step": 1000, "distance/fake": 0.01, "distance/real": 0.2})"
          << "\n";
    out << R"({"event": "warning", "step": 1000, "kind": "collapse", "text": "..."})"
        << "\n";
    out << "{\"step\": 19";  // incomplete last line
  }
  RunWatch watch(true);
  watch.replay(file);
  EXPECT_TRUE(watch.samples(100, {0.01, 0.2, {}}).empty());
  EXPECT_EQ(warnings_by_step(watch, constant({{"k", 0.0}}, 3), 2000), "2000 saturation; ");
  RunWatch fresh(true);
  fresh.replay(folder.path() / "none.jsonl");
  EXPECT_EQ(warnings_by_step(fresh, constant({{"k", 0.0}}, 3), 2000), "");
}

// For gaps of an EBM, with the gradient along its chains.
std::string warnings_by_gap(RunWatch& watch, const std::vector<double>& gaps, double slope) {
  std::vector<Values> all;
  for (const double gap : gaps)
    all.push_back({{"energy/gap", gap}, {"chain/gradient_norm", slope}});
  return warnings_by_step(watch, all);
}

TEST(RunWatch, GapAtTheMinimumOfTheLossWithFlatChainsIsDivergence) {
  RunWatch watch(false, 1.0);
  EXPECT_EQ(warnings_by_gap(watch, {0.1, 0.95, 0.97, 0.98, 0.95, 1}, 0.6),
            "");                                                        // steep: chains move
  EXPECT_EQ(warnings_by_gap(watch, {0.95, 0.97, 0.7, 0.95}, 0.2), "");  // two in a row
  EXPECT_EQ(warnings_by_gap(watch, {0.95, 1.0, 0.95, 0.7, 0.95, 0.95, 0.95}, 0.2),
            "200 divergence; ");  // counting the last one before; 0.7 does not end it
  ASSERT_TRUE(watch.lost());
  EXPECT_EQ(watch.lost()->kind, "divergence");
  EXPECT_NE(watch.lost()->text.find("0.33 of its largest"), std::string::npos)
      << watch.lost()->text;
  EXPECT_EQ(warnings_by_gap(watch, {0.5}, 0.2), "");
  EXPECT_FALSE(watch.lost());
  RunWatch scaled(false, 0.01);  // energy_decay = 100
  EXPECT_EQ(warnings_by_gap(scaled, {0.005}, 1), "");
  EXPECT_EQ(warnings_by_gap(scaled, {0.0095, 0.0095, 0.0095}, 0.4), "300 divergence; ");
  RunWatch unbounded(false);
  RunWatch errors(true, 1.0);  // a GAN
  for (RunWatch* other : {&unbounded, &errors}) {
    EXPECT_EQ(warnings_by_gap(*other, {0}, 1), "");
    EXPECT_EQ(warnings_by_gap(*other, {1, 1, 1, 1}, 0.1), "");
  }
}

TEST(RunWatch, FallOfTheCoverageIsACollapse) {
  RunWatch watch(true);
  std::string kinds;
  for (const double coverage : {0.02, 0.001, 0.001, 0.4, 0.6, 0.1, 0.3, 0.1, 0.05, 0.1, 0.3, 0.1}) {
    const auto warnings = watch.evaluation({{"coverage", coverage}, {"swd", 9}});
    kinds += warnings.empty() ? "." : warnings.front().kind == "recovery" ? "r" : "W";
  }
  EXPECT_EQ(kinds, "........W.r.");
  EXPECT_TRUE(watch.evaluation({{"swd", 9}}).empty());
}

TEST(RunWatch, CollapseLosesATrainingOnlyIfItsSamplesHadVaried) {
  RunWatch early(true);
  RunWatch late(true);
  EXPECT_EQ(warnings_by_grid(early, {0.04, 0.04}), ".W");
  EXPECT_FALSE(early.lost());
  EXPECT_EQ(warnings_by_grid(late, {0.08, 0.04, 0.04}), "..W");
  ASSERT_TRUE(late.lost());
  EXPECT_EQ(late.lost()->kind, "collapse");
  EXPECT_EQ(warnings_by_grid(late, {0.08}), "r");
  EXPECT_FALSE(late.lost());
}

TEST(RunWatch, CheckpointIsHealthyAfterALaterReportAndAGrid) {
  RunWatch watch(true);
  const auto report = [&](std::int64_t step, double m) {
    static_cast<void>(watch.report(step, {{"M", m}}));
  };
  report(100, 0.1);
  EXPECT_FALSE(watch.is_healthy(50));  // no grid yet
  EXPECT_TRUE(watch.samples(100, {0.1, 0.2, {}}).empty());
  EXPECT_TRUE(watch.is_healthy(50));
  EXPECT_FALSE(watch.is_healthy(100));  // no later report
  report(200, 0.1);
  EXPECT_TRUE(watch.is_healthy(100));
  EXPECT_FALSE(watch.is_healthy(150));  // its grid is missing
  report(300, 2);                       // a sign of a divergence, not yet a warning
  EXPECT_FALSE(watch.is_healthy(100));
  report(400, 0.1);
  EXPECT_TRUE(watch.is_healthy(100));
  EXPECT_TRUE(watch.samples(400, {0.01, 0.2, {}}).empty());
  EXPECT_FALSE(watch.is_healthy(300));
}

// The state before the flat energies of a failure: no warning yet, but not to return to.
TEST(RunWatch, CheckpointWithSeparatedEnergiesIsNotHealthy) {
  RunWatch watch(false, 1.0);
  EXPECT_TRUE(watch.samples(50, {0.1, 0.2, {}}).empty());
  EXPECT_EQ(warnings_by_gap(watch, {0.5}, 0.5), "");
  EXPECT_TRUE(watch.is_healthy(50));
  EXPECT_EQ(warnings_by_gap(watch, {0.7}, 0.5), "");
  EXPECT_FALSE(watch.is_healthy(50));
  EXPECT_FALSE(watch.lost());
}

TEST(RunWatch, ReplayFindsALostTraining) {
  const TemporaryFolder folder;
  const auto file = folder.path() / "stats.jsonl";
  {
    std::ofstream out(file);
    out << R"({"event": "evaluate", "step": 1, "coverage": 0.9})"
        << "\n";
    for (int step = 10; step <= 20; step += 10)
      out << R"({"event": "evaluate", "step": )" << step << R"(, "coverage": 0.1})"
          << "\n";
  }
  RunWatch watch(true);
  watch.replay(file);
  ASSERT_TRUE(watch.lost());
  EXPECT_EQ(watch.lost()->kind, "collapse");
}

}  // namespace
}  // namespace valley
