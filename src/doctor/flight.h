// `valley doctor --flight RUN`: what the record of a job that hung says (flight/watchdog.h).
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace valley::doctor {

// One rank's record, as far as the explanation needs it.
struct FlightRank {
  int rank = 0;
  std::string host;
  std::int64_t pid = 0;
  std::int64_t step = 0;
  std::string phase;
  std::string activity;
  double activity_s = 0;
  std::string collective;          // the last one, "all-reduce 984"; "" if it called none
  std::optional<double> inside_s;  // if it had not left it, since when
  std::vector<std::string> calls;  // functions of the main thread, innermost first
};

struct FlightExplanation {
  std::string run;
  std::string kind;     // of the verdict, "stopped"
  std::string verdict;  // a sentence without a full stop
  std::vector<int> culprits;
  std::int64_t step = 0;
  std::string time;  // UTC, when the records were written
  std::string advice;
  std::vector<FlightRank> ranks;  // by rank; those that wrote no record are missing
};

// `run`: a run, or its folder "flight". Errors: kMissingInput without records, kData for a damaged
// one, which it names.
[[nodiscard]] FlightExplanation explain_flight(const std::filesystem::path& run);

[[nodiscard]] std::string to_text(const FlightExplanation& explanation);
// docs/reliability.md describes all fields.
[[nodiscard]] std::string to_json(const FlightExplanation& explanation);

}  // namespace valley::doctor
