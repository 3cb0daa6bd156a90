#include "flight/flight_recorder.h"

#include <gtest/gtest.h>

#include <string>

namespace valley {
namespace {

constexpr int kDevice = 1;

std::string position_of(const FlightRecorder& recorder) {
  const ChannelPosition p = recorder.state().channels[kDevice];
  return std::to_string(p.called) + " " + std::to_string(p.entered) + " " + std::to_string(p.left);
}

void queue(FlightRecorder& recorder) {
  recorder.leave_to_device(kDevice, recorder.enter(kDevice, {}));
}

TEST(FlightRecorder, HostCallIsEnteredUntilItReturns) {
  FlightRecorder recorder;
  const std::int64_t number = recorder.enter(kDevice, {});
  EXPECT_EQ(position_of(recorder), "1 1 0");
  recorder.leave(kDevice, number);
  EXPECT_EQ(position_of(recorder), "1 1 1");
}

TEST(FlightRecorder, QueuedCallIsEnteredWhenTheDeviceReachesIt) {
  FlightRecorder recorder;
  for (int i = 0; i < 3; ++i) queue(recorder);
  EXPECT_EQ(position_of(recorder), "3 0 0");
  EXPECT_TRUE(recorder.entered_collectives(10).empty());
  recorder.reach(kDevice, 1);
  EXPECT_EQ(position_of(recorder), "3 1 0");
  recorder.end_on_device(kDevice, 2);  // between two looks both have ended
  EXPECT_EQ(position_of(recorder), "3 2 2");
  recorder.reach(kDevice, 3);
  EXPECT_EQ(position_of(recorder), "3 3 2");
  const auto entered = recorder.entered_collectives(2);
  ASSERT_EQ(entered.size(), 2U);
  EXPECT_EQ(entered[0].number, 2);
  EXPECT_GT(entered[0].left_s, 0);
  EXPECT_EQ(entered[1].number, 3);
  EXPECT_EQ(entered[1].left_s, 0);
  EXPECT_EQ(recorder.collectives().size(), 3U);
}

TEST(FlightRecorder, BlockingCallIsEnteredAfterQueuedOnes) {
  FlightRecorder recorder;
  queue(recorder);
  const std::int64_t barrier = recorder.enter(kDevice, {});
  EXPECT_EQ(position_of(recorder), "2 0 0");
  recorder.end_on_device(kDevice, 1);
  EXPECT_EQ(position_of(recorder), "2 2 1");
  recorder.leave(kDevice, barrier);
  EXPECT_EQ(position_of(recorder), "2 2 2");
}

TEST(FlightRecorder, DeviceThatEndsACallBeforeItIsSeenReachesNothingTwice) {
  FlightRecorder recorder;
  queue(recorder);
  recorder.end_on_device(kDevice, 1);
  recorder.reach(kDevice, 1);
  EXPECT_EQ(position_of(recorder), "1 1 1");
  queue(recorder);
  EXPECT_EQ(position_of(recorder), "2 1 1");
}

}  // namespace
}  // namespace valley
