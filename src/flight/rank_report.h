// What a rank tells the monitor once per second, as one line of JSON.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "flight/flight_recorder.h"

namespace valley {

// Collectives that a report has: ranks may be apart by fewer.
inline constexpr std::size_t kReportedCollectives = 64;

struct RankReport {
  int rank = 0;
  std::string host;
  std::string machine;  // equal for ranks that see each other's processes and loopback network
  std::int64_t pid = 0;
  FlightRecorder::State state;
  double activity_s = 0;                        // duration of the activity
  std::vector<RecordedCollective> collectives;  // the newest that were entered
};

// Host name and namespaces: containers of a host may have networks and processes of their own.
[[nodiscard]] const std::string& this_machine();

[[nodiscard]] RankReport make_rank_report(int rank, const FlightRecorder& recorder);

[[nodiscard]] std::string to_json_line(const RankReport& report);
// nullopt if `line` was not written by to_json_line.
[[nodiscard]] std::optional<RankReport> parse_rank_report(const std::string& line);

// State of a process of this host by /proc: 'R' running, 'S' sleeping, 'T' stopped by a signal, 't'
// stopped by a debugger, 'D' waiting for a disk or file server, 'Z' ended; nullopt if there is no
// such process.
[[nodiscard]] std::optional<char> process_state(std::int64_t pid);
// The same of a thread of this process.
[[nodiscard]] std::optional<char> thread_state(std::int64_t thread);

}  // namespace valley
