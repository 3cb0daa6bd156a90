#include "train/rate_schedule.h"

#include <ATen/ops/full.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

namespace valley {
namespace {

RateSettings settings() {
  RateSettings s;
  s.rate = 8e-4;
  s.window = 2;
  s.windows = 3;
  s.improvement = 0.1;
  return s;
}

// The learning rate after each window, given the windows' means.
std::vector<double> rates(RateSchedule& schedule, const std::vector<double>& means) {
  std::vector<double> all;
  for (const double mean : means) {
    schedule.observe(1, at::full({}, mean - 0.01, at::kDouble));
    schedule.observe(1, at::full({}, mean + 0.01, at::kDouble));
    all.push_back(schedule.rate().item<double>());
  }
  return all;
}

TEST(RateSchedule, HalvesAfterWindowsWithoutProgress) {
  RateSchedule schedule(settings(), at::kCPU);
  EXPECT_EQ(rates(schedule, {1.0, 0.8, 0.79, 0.78, 0.77}),
            (std::vector<double>{8e-4, 8e-4, 8e-4, 8e-4, 4e-4}));
}

TEST(RateSchedule, ProgressResetsStallCount) {
  RateSchedule schedule(settings(), at::kCPU);
  EXPECT_EQ(rates(schedule, {1.0, 0.99, 0.99, 0.5, 0.5, 0.5, 0.5}).back(), 4e-4);
  EXPECT_EQ(rates(schedule, {0.5, 0.5}).back(), 4e-4);
}

TEST(RateSchedule, NeverFallsBelowTheFloor) {
  RateSchedule schedule(settings(), at::kCPU);
  EXPECT_DOUBLE_EQ(rates(schedule, std::vector<double>(40, 1.0)).back(), 1e-4);
}

TEST(RateSchedule, ConstantDoesNotChange) {
  RateSettings s = settings();
  s.rule = LrSchedule::kConstant;
  RateSchedule schedule(s, at::kCPU);
  EXPECT_EQ(rates(schedule, std::vector<double>(20, 1.0)).back(), 8e-4);
}

TEST(RateSchedule, NanMeasureIsIgnored) {
  RateSchedule schedule(settings(), at::kCPU);
  schedule.observe(1, at::full({}, std::numeric_limits<double>::quiet_NaN(), at::kDouble));
  EXPECT_EQ(rates(schedule, {1.0, 0.5, 0.2}).back(), 8e-4);
}

TEST(RateSchedule, ResumeInsideWindowIsEqual) {
  RateSchedule straight(settings(), at::kCPU);
  RateSchedule first(settings(), at::kCPU);
  for (int i = 0; i < 5; ++i) {
    straight.observe(1, at::full({}, 1.0, at::kDouble));
    first.observe(1, at::full({}, 1.0, at::kDouble));
  }
  TensorMap state;
  first.save(state);
  RateSchedule second(settings(), at::kCPU);
  second.load(state, "here");
  for (int i = 0; i < 5; ++i) {
    straight.observe(1, at::full({}, 1.0, at::kDouble));
    second.observe(1, at::full({}, 1.0, at::kDouble));
    EXPECT_EQ(straight.rate().item<double>(), second.rate().item<double>()) << i;
  }
  EXPECT_EQ(second.rate().item<double>(), 4e-4);
}

TEST(RateSchedule, LogTextNamesRatesAndReason) {
  RateSchedule schedule(settings(), at::kCPU);
  std::vector<std::string> texts;
  for (int i = 0; i < 8; ++i) {
    if (const auto text = schedule.observe(i + 1, at::full({}, 0.25, at::kDouble)))
      texts.push_back(*text);
  }
  ASSERT_EQ(texts.size(), 1U);
  for (const char* part : {"from 0.0008 to 0.0004", "3 windows of 2 steps", "10 %", "0.25"})
    EXPECT_NE(texts.front().find(part), std::string::npos) << texts.front();
}

TEST(RateSchedule, NoLogTextAtFloor) {
  RateSettings s = settings();
  s.floor = 1;
  RateSchedule schedule(s, at::kCPU);
  for (int i = 0; i < 30; ++i)
    EXPECT_FALSE(schedule.observe(i + 1, at::full({}, 0.25, at::kDouble))) << i;
}

RateSettings stepped() {
  RateSettings s;
  s.rate = 1e-3;
  s.rule = LrSchedule::kStep;
  s.every = 3;
  s.factor = 0.1;
  return s;
}

TEST(RateSchedule, StepDecayFollowsStepCount) {
  RateSchedule schedule(stepped(), at::kCPU);
  std::vector<double> all;
  for (std::int64_t step = 1; step <= 7; ++step) {
    const bool has_changed = schedule.observe(step, std::nullopt).has_value();
    EXPECT_EQ(has_changed, step % 3 == 0) << step;
    all.push_back(schedule.rate().item<double>());
  }
  const std::vector<double> expected = {1e-3, 1e-3, 1e-4, 1e-4, 1e-4, 1e-5, 1e-5};
  for (std::size_t i = 0; i < all.size(); ++i) EXPECT_DOUBLE_EQ(all[i], expected[i]) << i;
}

TEST(RateSchedule, RewindRestoresLearningRate) {
  RateSchedule schedule(stepped(), at::kCPU);
  for (std::int64_t step = 1; step <= 3; ++step) schedule.observe(step, std::nullopt);
  schedule.rewind_to(2);
  EXPECT_DOUBLE_EQ(schedule.rate().item<double>(), 1e-3);
  TensorMap state;
  schedule.save(state);
  RateSchedule other(stepped(), at::kCPU);
  other.load(state, "here");
  other.observe(3, std::nullopt);
  EXPECT_DOUBLE_EQ(other.rate().item<double>(), 1e-4);
}

// The learning rates of the first `steps` steps.
std::vector<double> rates_of_steps(RateSchedule& schedule, std::int64_t steps) {
  std::vector<double> all;
  for (std::int64_t step = 0; step < steps; ++step) {
    all.push_back(schedule.rate().item<double>());
    schedule.observe(step + 1, std::nullopt);
  }
  return all;
}

void expect_near(const std::vector<double>& got, const std::vector<double>& expected) {
  ASSERT_EQ(got.size(), expected.size());
  for (std::size_t i = 0; i < got.size(); ++i)
    EXPECT_NEAR(got[i], expected[i], 1e-15) << "step " << i;
}

RateSettings decaying(LrSchedule rule) {
  RateSettings s;
  s.rate = 1;
  s.rule = rule;
  s.warmup = 2;
  s.decay_steps = 6;
  s.final = 0.2;
  return s;
}

TEST(RateSchedule, LinearDecayFollowsTheWarmUpAndEndsAtTheFinalRate) {
  RateSchedule schedule(decaying(LrSchedule::kLinear), at::kCPU);
  expect_near(rates_of_steps(schedule, 9), {0.5, 1, 1, 0.8, 0.6, 0.4, 0.2, 0.2, 0.2});
}

TEST(RateSchedule, CosineDecayIsHalfACosine) {
  RateSchedule schedule(decaying(LrSchedule::kCosine), at::kCPU);
  const double eighth = 0.8 * std::sqrt(0.5) / 2;
  expect_near(rates_of_steps(schedule, 8), {0.5, 1, 1, 0.6 + eighth, 0.6, 0.6 - eighth, 0.2, 0.2});
}

TEST(RateSchedule, WarmUpPrecedesEachRule) {
  RateSettings s = stepped();
  s.warmup = 4;
  RateSchedule step(s, at::kCPU);
  expect_near(rates_of_steps(step, 7), {0.25e-3, 0.5e-3, 0.75e-3, 1e-4, 1e-4, 1e-4, 1e-5});
  s.rule = LrSchedule::kConstant;
  RateSchedule constant(s, at::kCPU);
  expect_near(rates_of_steps(constant, 6), {0.25e-3, 0.5e-3, 0.75e-3, 1e-3, 1e-3, 1e-3});
}

// Halvings during the warm-up last; the state restores both.
TEST(RateSchedule, HalvingsAreKeptThroughTheWarmUp) {
  RateSettings s = settings();
  s.window = 1;
  s.windows = 1;
  s.warmup = 4;
  const auto measure = at::full({}, 1.0, at::kDouble);
  RateSchedule schedule(s, at::kCPU);
  schedule.observe(1, measure);
  schedule.observe(2, measure);
  EXPECT_DOUBLE_EQ(schedule.rate().item<double>(), 4e-4 * 3 / 4);
  TensorMap state;
  schedule.save(state);
  RateSchedule other(s, at::kCPU);
  other.load(state, "here");
  other.observe(3, std::nullopt);
  EXPECT_DOUBLE_EQ(other.rate().item<double>(), 4e-4);
}

TEST(RateSchedule, RewindRestoresDecayAndWarmUp) {
  RateSchedule schedule(decaying(LrSchedule::kLinear), at::kCPU);
  for (std::int64_t step = 1; step <= 5; ++step) schedule.observe(step, std::nullopt);
  schedule.rewind_to(3);
  EXPECT_NEAR(schedule.rate().item<double>(), 0.8, 1e-15);
  schedule.rewind_to(0);
  EXPECT_NEAR(schedule.rate().item<double>(), 0.5, 1e-15);
}

// "auto" is the length of the run when it started, a number that of the config.
TEST(RateSchedule, LengthOfTheDecayIsThatOfTheStart) {
  OptimizerOptions o;
  o.lr = 1;
  o.lr_schedule = LrSchedule::kLinear;
  RateSchedule shorter(rate_settings(o, 10), at::kCPU);
  TensorMap state;
  shorter.save(state);
  RateSchedule longer(rate_settings(o, 20), at::kCPU);
  longer.load(state, "here");
  longer.observe(5, std::nullopt);
  EXPECT_NEAR(longer.rate().item<double>(), 0.5, 1e-15);
  o.decay_steps = 20;
  RateSchedule given(rate_settings(o, 10), at::kCPU);
  given.observe(5, std::nullopt);
  EXPECT_NEAR(given.rate().item<double>(), 0.75, 1e-15);
}

TEST(RateSchedule, FactorOfAStepIsThatOfNetworkAndStage) {
  RateSettings s;
  s.generator_factor = 3;
  const RateSchedule schedule(s, at::kCPU);
  Stage stage;
  stage.length = 40;
  stage.lr_scale = 2;
  stage.decay_every = 10;
  stage.max_momentum = 0.5;
  EXPECT_DOUBLE_EQ(schedule.in_step(stage, 0, "discriminator").factor, 2 * 0.8);
  EXPECT_DOUBLE_EQ(schedule.in_step(stage, 39, "discriminator").factor, 2 * 0.2);
  EXPECT_DOUBLE_EQ(schedule.in_step(stage, 10, "generator").factor, 3 * 2 * 0.6);
  EXPECT_EQ(schedule.in_step(stage, 0, "generator").max_momentum, 0.5);
}

TEST(RateSchedule, ScaleMultipliesTheRatesOfEachRule) {
  for (const LrSchedule rule : {LrSchedule::kConstant, LrSchedule::kStep, LrSchedule::kLinear}) {
    RateSettings s = decaying(rule);
    s.every = 3;
    s.factor = 0.1;
    RateSchedule plain(s, at::kCPU);
    RateSchedule scaled(s, at::kCPU);
    scaled.set_scale(0.25, 0);
    const std::vector<double> expected = rates_of_steps(plain, 8);
    const std::vector<double> got = rates_of_steps(scaled, 8);
    for (std::size_t i = 0; i < expected.size(); ++i)
      EXPECT_DOUBLE_EQ(got[i], 0.25 * expected[i])
          << "rule " << static_cast<int>(rule) << ", " << i;
  }
}

// 0.3 is not a power of two: dividing the saved rate by it would round.
TEST(RateSchedule, ScaleAndHalvingsAreInTheState) {
  RateSchedule schedule(settings(), at::kCPU);
  schedule.set_scale(0.3, 1);
  EXPECT_EQ(rates(schedule, {1.0, 1.0, 1.0, 1.0}).back(), 0.3 * 4e-4);
  TensorMap state;
  schedule.save(state);
  RateSchedule other(settings(), at::kCPU);
  other.load(state, "here");
  EXPECT_EQ(rates(other, {1.0, 1.0}), rates(schedule, {1.0, 1.0}));
  EXPECT_EQ(rates(other, {1.0}).back(), 0.3 * 2e-4);
  // A new scale replaces the previous one; a state without a scale has 1.
  other.set_scale(0.5, 1);
  EXPECT_EQ(other.rate().item<double>(), 0.5 * 2e-4);
  state.erase("schedule.scale");
  state.erase("schedule.halved_rate");
  state.at("schedule.rate") = at::full({}, 8e-4, at::kDouble);
  other.load(state, "here");
  EXPECT_EQ(rates(other, {0.1}).back(), 8e-4);
}

TEST(RateSchedule, StateWithoutAScaleHasNoEntryForIt) {
  RateSchedule schedule(settings(), at::kCPU);
  TensorMap state;
  schedule.save(state);
  EXPECT_FALSE(state.contains("schedule.scale"));
  EXPECT_FALSE(state.contains("schedule.halved_rate"));
}

}  // namespace
}  // namespace valley
