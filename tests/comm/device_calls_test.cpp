#include "comm/device_calls.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <thread>
#include <vector>

#include "flight/flight_recorder.h"

namespace valley {
namespace {

constexpr int kDevice = 1;

class Moments final : public DeviceCall {
 public:
  std::atomic<bool> reached{false};
  std::atomic<bool> done{false};
  bool is_reached() const override { return reached; }
  bool is_done() const override { return done; }
};

// False after ten seconds.
template <typename Condition>
bool soon(const Condition& condition) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return true;
}

TEST(DeviceCalls, RecordWhatTheDeviceHasDone) {
  FlightRecorder& recorder = flight_recorder();
  const auto position = [&] { return recorder.state().channels[kDevice]; };
  DeviceCalls calls(kDevice);
  std::vector<std::shared_ptr<Moments>> moments;
  for (int i = 0; i < 3; ++i) {
    moments.push_back(std::make_shared<Moments>());
    const std::int64_t number = recorder.enter(kDevice, {});
    recorder.leave_to_device(kDevice, number);
    calls.add(number, moments.back());
  }
  const ChannelPosition start = position();
  ASSERT_EQ(start.entered, start.called - 3);
  moments[0]->reached = true;
  EXPECT_TRUE(soon([&] { return position().entered == start.called - 2; }));
  EXPECT_EQ(position().left, start.called - 3);
  // The second one is not looked at before the first one has ended.
  moments[1]->reached = true;
  moments[0]->done = true;
  EXPECT_TRUE(soon([&] { return position().entered == start.called - 1; }));
  EXPECT_EQ(position().left, start.called - 2);
  moments[2]->reached = true;
  moments[1]->done = true;
  moments[2]->done = true;
  EXPECT_TRUE(soon([&] { return position().left == start.called; }));
  // Ended calls are let go.
  EXPECT_TRUE(soon([&] { return moments[2].use_count() == 1; }));
}

TEST(DeviceCalls, EndWhileACallIsPending) {
  const std::int64_t number = flight_recorder().enter(kDevice, {});
  flight_recorder().leave_to_device(kDevice, number);
  {
    DeviceCalls calls(kDevice);
    calls.add(number, std::make_shared<Moments>());
  }
  EXPECT_LT(flight_recorder().state().channels[kDevice].left, number);
  flight_recorder().end_on_device(kDevice, number);
}

}  // namespace
}  // namespace valley
