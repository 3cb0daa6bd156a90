// Goodput of a run: the share of its time that went into steps whose results it kept.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "record/time_line.h"

namespace valley::report {

// Seconds. All of them except `paused` add up to wall().
struct Goodput {
  double useful = 0;       // steps whose results were kept
  double data_wait = 0;    // in these steps
  double checkpoints = 0;  // training stood still for saves
  double evaluation = 0;   // and validation
  double samples = 0;      // and reports
  double startup = 0;      // launches that do not follow a failure
  double other = 0;
  double lost = 0;             // steps, and their waits for data, that had to be repeated
  double down = 0;             // from the last line of a launch that failed to the next launch
  double restart_startup = 0;  // launches that follow a failure
  double paused = 0;           // between an orderly end and the next launch
  std::int64_t launches = 0;
  std::int64_t restarts = 0;  // launches that follow a failure
  std::int64_t lost_steps = 0;

  // From the first start to the last line, without pauses.
  [[nodiscard]] double wall() const;
  // useful / wall(); 0 if no time has passed.
  [[nodiscard]] double share() const;
};

// The lines of all launches, in the order of the file. A launch that starts from step S undoes the
// steps after S of all launches before it, and so does a rescue. A step between two lines has the
// mean duration of the steps between them. Time between a launch's last line and its end is counted
// as `down`, with the time until the failure was noticed, unless the launch ended in order.
[[nodiscard]] Goodput compute_goodput(const std::vector<TimeLine>& lines);

// One part of the wall time, or the pauses.
struct TimePart {
  std::string key;    // for JSON and CSS: "useful", "restart_startup", ...
  std::string title;  // "Steps kept"
  double seconds = 0;
};
// All parts of wall() in a fixed order, then the pauses.
[[nodiscard]] std::vector<TimePart> parts_of(const Goodput& goodput);

}  // namespace valley::report
