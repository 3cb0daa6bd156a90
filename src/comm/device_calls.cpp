#include "comm/device_calls.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>
#include <utility>
#include <vector>

#include "core/start_threads.h"
#include "flight/flight_recorder.h"

namespace valley {
namespace {

constexpr std::chrono::milliseconds kInterval{100};

}  // namespace

struct DeviceCalls::Queue {
  struct QueuedCall {
    std::int64_t number = 0;
    std::shared_ptr<const DeviceCall> call;
  };

  explicit Queue(int recorded_channel) : channel(recorded_channel) {}

  // Tells the recorder what the device has done since the last look.
  void look() {
    std::vector<QueuedCall> seen;
    {
      const std::lock_guard lock(mutex);
      seen.assign(calls.begin(), calls.end());
    }
    // Without the lock: the driver may block.
    const auto pending = std::ranges::partition_point(
        seen, [](const auto& queued) { return queued.call->is_done(); });
    if (pending != seen.begin()) flight_recorder().end_on_device(channel, (pending - 1)->number);
    if (pending != seen.end() && pending->call->is_reached())
      flight_recorder().reach(channel, pending->number);
    const std::lock_guard lock(mutex);
    calls.erase(calls.begin(), calls.begin() + (pending - seen.begin()));
  }

  void follow() {
    std::unique_lock lock(mutex);
    while (!changed.wait_for(lock, kInterval, [&] { return is_closed; })) {
      lock.unlock();
      look();
      lock.lock();
    }
  }

  const int channel;
  std::mutex mutex;
  std::condition_variable changed;
  std::deque<QueuedCall> calls;
  bool is_closed = false;
};

DeviceCalls::DeviceCalls(int channel)
    : exceptions_when_built_(std::uncaught_exceptions()),
      queue_(std::make_shared<Queue>(channel)),
      thread_(start_thread("following collectives", [queue = queue_] { queue->follow(); })) {}

DeviceCalls::~DeviceCalls() {
  {
    const std::lock_guard lock(queue_->mutex);
    queue_->is_closed = true;
  }
  queue_->changed.notify_one();
  if (std::uncaught_exceptions() > exceptions_when_built_) {
    thread_.detach();
  } else {
    thread_.join();
  }
}

void DeviceCalls::add(std::int64_t number, std::shared_ptr<const DeviceCall> call) {
  const std::lock_guard lock(queue_->mutex);
  queue_->calls.push_back({number, std::move(call)});
}

}  // namespace valley
