// How far a command that computes for a while is, on stderr: "evaluate: patches 40% | 12s".
#pragma once

#include <chrono>
#include <mutex>
#include <string>
#include <utility>

#include "app/transient_line.h"

namespace valley::app {

// Any thread calls.
class WorkProgress {
 public:
  explicit WorkProgress(std::string command) : command_(std::move(command)) {}
  void show(const std::string& doing, double share);
  [[nodiscard]] double seconds() const;

 private:
  std::string command_;
  std::mutex mutex_;
  TransientLine line_{std::chrono::milliseconds(100)};
  std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
};

}  // namespace valley::app
