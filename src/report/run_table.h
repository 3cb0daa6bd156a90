// The runs below a folder as one table: what each trains, how far it is, and its metrics.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "report/goodput.h"

namespace valley::report {

// The value of one metric over a run.
struct RunMetric {
  std::string name;  // "swd", "coverage", ...: see known_metrics()
  double last = 0;
  double best = 0;
  double best_step = 0;
};

struct RunRow {
  std::filesystem::path path;
  std::string state;   // "running", "done", "stopped", "failed", "killed" or "damaged"
  std::string reason;  // why it ended or cannot be read; "" for done and running
  std::string method;  // objective.name; "" if unknown, as for the other texts
  std::string data;    // data.path
  std::string seed;
  std::string parent;                 // RunFiles::parent
  std::string started;                // UTC time of the first launch
  std::optional<std::int64_t> step;   // of the last line of stats.jsonl
  std::optional<std::int64_t> steps;  // train.steps, if it is a number
  Goodput time;                       // RunFiles::time
  std::vector<RunMetric> metrics;     // those of known_metrics() that it has, in their order
};

// Metrics that a table shows, best first when sorted: those of evaluations, of validations, and M.
[[nodiscard]] std::vector<std::string> known_metrics();

// Names by which rows can be sorted: "name", "state", "method", "data", "seed", "steps", "started"
// and known_metrics().
[[nodiscard]] std::vector<std::string> sort_keys();

// The run directories in and below `folder`, in the order of their paths; symbolic links are not
// followed. Error kMissingInput if it is no folder or has no runs.
[[nodiscard]] std::vector<RunRow> list_runs(const std::filesystem::path& folder);

// `key` is one of sort_keys(). Metrics by their best values, the best first; rows without one last.
void sort_runs(std::vector<RunRow>& rows, const std::string& key);

// A line per run, with the goodput if a run was restarted after a failure; then the reasons of
// those that have one. Paths are relative to `folder`.
[[nodiscard]] std::string to_text(const std::vector<RunRow>& rows,
                                  const std::filesystem::path& folder);
[[nodiscard]] std::string to_json(const std::vector<RunRow>& rows);

}  // namespace valley::report
