#include "train/rate_schedule.h"

#include <ATen/ops/full.h>
#include <gtest/gtest.h>

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

}  // namespace
}  // namespace valley
