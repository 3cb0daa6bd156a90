// Notices that a job hangs, finds out which rank holds it up, and ends it.
//
// Each rank sends what it does (rank_report.h) once per second to the monitor on rank 0 and to its
// deputy on rank 1. If no rank has made progress for the hang timeout, or a rank's process has
// ended, the monitor judges (verdict.h), all ranks write their record, with stack traces, to
// FOLDER/rank-N.json, and the job ends. The deputy does so when rank 0 is the silent one.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "flight/verdict.h"

namespace valley {

struct WatchdogSettings {
  int rank = 0;
  int size = 1;
  double hang_timeout_s = 300;
  // Reports the verdict, on the rank that judged. Called first: the launcher may end this process
  // within a second after another one has died.
  std::function<void(const Verdict&)> report;
  // Ends the job on that rank, after the records were written. Must not return.
  std::function<void(const Verdict&)> end_job;
  // Ends this rank on the others, some seconds later, if they are still there. Must not return.
  std::function<void()> end_rank;
};

// Collective calls of the job, which must work at the start: rank 0's text on all ranks, and the
// texts of all ranks by rank.
struct StartCalls {
  std::function<std::string(const std::string&)> broadcast;
  std::function<std::vector<std::string>(const std::string&)> gather;
};

class Watchdog {
 public:
  virtual ~Watchdog() = default;  // tells the monitor that this rank ends in good order
  // Where records go; without it the verdict is only given to end_job.
  virtual void set_folder(const std::filesystem::path& folder) = 0;
};

// Collective. nullptr on all ranks, after a warning of rank 0, if a rank cannot reach the monitor.
// The monitor listens on the loopback address if all ranks have one host, and else on the other
// addresses of its host.
[[nodiscard]] std::unique_ptr<Watchdog> start_watchdog(const WatchdogSettings& settings,
                                                       const StartCalls& calls);

// The record of this rank, as JSON: verdict, state, collectives and stack traces.
[[nodiscard]] std::string flight_record(int rank, const std::string& verdict_json);

[[nodiscard]] std::string to_json(const Verdict& verdict);

}  // namespace valley
