// Parses a run's stats.jsonl (fields: docs/run-directory.md).
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "report/curve.h"

namespace valley::report {

struct Warning {
  double step = -1;  // negative: unknown
  std::string kind;
  std::string text;
};

// Change of MAGAN's margin at the end of an epoch: its first value, or a cut.
struct MarginCut {
  double step = 0;
  double from = 0;  // NaN: no margin before
  double to = 0;
};

// A return of the run to an earlier state (train.on_divergence).
struct RescueLine {
  double step = 0;  // from which training continued; its own one, or that of a later rescue
  std::string text;
};

struct Stats {
  // Metrics by name, those of event lines by "event:name". Also derived metrics:
  // "derived:energy_ratio" (energy/fake over energy/real; absent if any energy is negative),
  // "epoch:mean/real" and "epoch:mean/fake" (S_D and S_G over the epoch's steps).
  std::map<std::string, Series> series;
  std::vector<Warning> warnings;
  std::vector<MarginCut> cuts;
  std::vector<RescueLine> rescues;
  std::vector<std::string> grids;  // files of sample lines
  double last_step = -1;           // negative: no line has a step
  double last_images = 0;
  // A last line that is still being written is not counted.
  std::size_t lines = 0;
  std::size_t unreadable = 0;
};

// Ignores fields of unexpected types, and counts lines that are not JSON objects as unreadable.
[[nodiscard]] Stats read_stats(std::string_view text);

}  // namespace valley::report
