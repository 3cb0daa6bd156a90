// The time of this process by what it does, and its lines in the run's time.jsonl.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>

#include "record/append_file.h"
#include "record/time_line.h"

namespace valley {

class TimeKeeper {
 public:
  // The time of the process before this call is that of its start-up.
  TimeKeeper();

  // The process does `kind` from here on; returns the kind before.
  TimeKind enter(TimeKind kind);

  // Rank 0, once: opens time.jsonl and writes the line of this launch's start from `step`.
  void open(const std::filesystem::path& file, std::int64_t step);
  // Rank 0: writes a line if the last one is old: by a second or 0.1 % of the time of this launch,
  // at most a minute, so that the end of a killed launch is known well and its lines stay few.
  void after_step(std::int64_t step);
  // Rank 0. No effect before `open`.
  void write(TimeEvent event, std::int64_t step);

 private:
  using Clock = std::chrono::steady_clock;

  TimeLine line_;
  TimeKind kind_ = TimeKind::kStartup;
  Clock::time_point since_ = Clock::now();  // when `kind_` began
  Clock::time_point written_;               // the last line
  std::optional<AppendFile> file_;
};

// A kind of time while the object exists.
class TimeScope {
 public:
  TimeScope(TimeKeeper& keeper, TimeKind kind) : keeper_(keeper), before_(keeper.enter(kind)) {}
  ~TimeScope() { keeper_.enter(before_); }
  TimeScope(const TimeScope&) = delete;
  TimeScope& operator=(const TimeScope&) = delete;

 private:
  TimeKeeper& keeper_;
  TimeKind before_;
};

}  // namespace valley
