// Progress of commands on stderr. (The progress of training is record/progress.h.)
#pragma once

#include <chrono>
#include <mutex>
#include <string>
#include <utility>

#include "comm/world.h"
#include "evaluate/blocks.h"

namespace valley::app {

// On a terminal, one line that is redrawn and erased at the end; elsewhere a log line every ten
// seconds.
class TransientLine {
 public:
  explicit TransientLine(std::chrono::milliseconds between_redraws = {});
  ~TransientLine();
  TransientLine(const TransientLine&) = delete;
  TransientLine& operator=(const TransientLine&) = delete;

  [[nodiscard]] bool is_due();         // true once per interval
  void show(const std::string& line);  // not thread-safe

 private:
  bool is_terminal_;
  bool is_open_ = false;
  std::chrono::milliseconds between_;
  std::chrono::steady_clock::time_point last_;
};

// "evaluate: patches 40% | 12s". Thread-safe.
class WorkProgress {
 public:
  explicit WorkProgress(std::string command) : command_(std::move(command)) {}
  void show(const std::string& task, double share);
  [[nodiscard]] double seconds() const;

 private:
  std::string command_;
  std::mutex mutex_;
  TransientLine line_{std::chrono::milliseconds(100)};
  std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
};

// The ranks of `world` with `threads` threads each; rank 0 shows `progress`. Both must outlive it.
[[nodiscard]] Team make_team(World& world, int threads, WorkProgress& progress);

}  // namespace valley::app
