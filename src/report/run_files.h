// Reads the files of a run directory; missing and damaged ones are listed as notices.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "report/goodput.h"
#include "report/log_file.h"
#include "report/pictures.h"
#include "report/stats_file.h"

namespace valley::report {

using Fields = std::vector<std::pair<std::string, std::string>>;  // names and values, in order

// End state of a run: {"done", "done"}, {"failed", "failed (70): not finite"}, ...
struct RunState {
  std::string kind;  // "done", "stopped", "failed", or "open" if no end is recorded
  std::string text;
};

// 95 % interval of the mean over seeds at each step of a metric's mean.
struct Interval {
  Series low;
  Series high;
  std::size_t last_count = 0;  // seeds at the last step
};

struct RunFiles {
  std::filesystem::path path;    // as given by the user
  std::string name;              // name of the directory
  Fields settings;               // "section.key" and value as TOML, in the order of the file
  std::string config;            // text of config.toml
  std::vector<Fields> launches;  // records of run.json
  Fields end;                    // exit.json; empty during a launch or after a kill
  Fields data;                   // from the data set's manifest, if it is unchanged
  std::vector<LogMessage> log;   // warnings and errors
  Stats stats;
  GridImages grids;
  Goodput time;                      // from time.jsonl; zero launches without it
  std::vector<std::string> notices;  // one sentence per missing or damaged file
  std::size_t entry = 0;             // place among the entries of a page, for its color

  // Of a group of runs (group_runs):
  std::size_t members = 1;
  RunState state;
  std::map<std::string, Interval> intervals;  // by metric

  // The checkpoint whose weights the run started from, "00007-began-64/step-00012000", or the name
  // of a single file; "" if it started anew.
  [[nodiscard]] std::string parent() const;
  // "" if the key is missing.
  [[nodiscard]] std::string setting(const std::string& key) const;
  // Unit of the energies: objective.energy, such as "l2_sum", if the objective reads it; "free
  // energy, nats" for RBMs; "" for networks whose output is the energy, and if unknown.
  [[nodiscard]] std::string energy() const;
};

[[nodiscard]] std::string unquoted(const std::string& toml);  // the text of a TOML string
[[nodiscard]] std::string field(const Fields& fields, const std::string& name);  // or ""

// True if `path` has at least one of the files that a report reads.
[[nodiscard]] bool is_run(const std::filesystem::path& path);

// Settings, launches, end and metrics alone. Errors as read_run.
[[nodiscard]] RunFiles read_run_records(const std::filesystem::path& path);

// Error kMissingInput if `path` is not a run (the message describes what it is); kData if no line
// of stats.jsonl can be parsed.
[[nodiscard]] RunFiles read_run(const std::filesystem::path& path, const GridLimits& limits);

}  // namespace valley::report
