#include "train/rate_schedule.h"

#include <ATen/ops/full.h>
#include <gtest/gtest.h>

#include <limits>
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

// The rate after each window whose mean is given.
std::vector<double> rates(RateSchedule& schedule, const std::vector<double>& means) {
  std::vector<double> all;
  for (const double mean : means) {
    schedule.observe(at::full({}, mean - 0.01, at::kDouble));
    schedule.observe(at::full({}, mean + 0.01, at::kDouble));
    all.push_back(schedule.rate().item<double>());
  }
  return all;
}

TEST(RateSchedule, HalvesAfterWindowsWithoutProgress) {
  RateSchedule schedule(settings(), at::kCPU);
  EXPECT_EQ(rates(schedule, {1.0, 0.8, 0.79, 0.78, 0.77}),
            (std::vector<double>{8e-4, 8e-4, 8e-4, 8e-4, 4e-4}));
}

TEST(RateSchedule, ProgressResetsTheCount) {
  RateSchedule schedule(settings(), at::kCPU);
  EXPECT_EQ(rates(schedule, {1.0, 0.99, 0.99, 0.5, 0.5, 0.5, 0.5}).back(), 4e-4);
  EXPECT_EQ(rates(schedule, {0.5, 0.5}).back(), 4e-4);
}

TEST(RateSchedule, NeverFallsBelowTheFloor) {
  RateSchedule schedule(settings(), at::kCPU);
  EXPECT_DOUBLE_EQ(rates(schedule, std::vector<double>(40, 1.0)).back(), 1e-4);
}

TEST(RateSchedule, ConstantStaysAsItIs) {
  RateSettings s = settings();
  s.halve_on_stall = false;
  RateSchedule schedule(s, at::kCPU);
  EXPECT_EQ(rates(schedule, std::vector<double>(20, 1.0)).back(), 8e-4);
}

TEST(RateSchedule, ASkippedStepDoesNotSpoilTheWindow) {
  RateSchedule schedule(settings(), at::kCPU);
  schedule.observe(at::full({}, std::numeric_limits<double>::quiet_NaN(), at::kDouble));
  EXPECT_EQ(rates(schedule, {1.0, 0.5, 0.2}).back(), 8e-4);
}

TEST(RateSchedule, ContinuesInTheMiddleOfAWindow) {
  RateSchedule straight(settings(), at::kCPU);
  RateSchedule first(settings(), at::kCPU);
  for (int i = 0; i < 5; ++i) {
    straight.observe(at::full({}, 1.0, at::kDouble));
    first.observe(at::full({}, 1.0, at::kDouble));
  }
  TensorMap state;
  first.save(state);
  RateSchedule second(settings(), at::kCPU);
  second.load(state, "here");
  for (int i = 0; i < 5; ++i) {
    straight.observe(at::full({}, 1.0, at::kDouble));
    second.observe(at::full({}, 1.0, at::kDouble));
    EXPECT_EQ(straight.rate().item<double>(), second.rate().item<double>()) << i;
  }
  EXPECT_EQ(second.rate().item<double>(), 4e-4);
}

}  // namespace
}  // namespace valley
