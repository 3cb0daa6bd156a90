// Follows collectives that are queued on a device, for the flight recorder.
#pragma once

#include <cstdint>
#include <memory>
#include <thread>

#include "comm/communicator.h"

namespace valley {

// A thread looks at the queued calls ten times per second. It is not one of the watchdog's threads:
// a driver that hangs may block it.
class DeviceCalls {
 public:
  explicit DeviceCalls(int channel);
  // Does not wait for the thread during stack unwinding: the process is about to end.
  ~DeviceCalls();
  DeviceCalls(const DeviceCalls&) = delete;
  DeviceCalls& operator=(const DeviceCalls&) = delete;

  // Collective `number` of the channel has been queued. Calls end in the order of their numbers.
  void add(std::int64_t number, std::shared_ptr<const DeviceCall> call);

 private:
  struct Queue;

  int exceptions_when_built_;
  std::shared_ptr<Queue> queue_;  // shared with the thread
  std::thread thread_;
};

}  // namespace valley
