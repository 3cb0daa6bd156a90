// What a run's stats.jsonl says (docs/training.md lists its fields).
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "report/curve.h"

namespace valley::report {

struct Warning {
  double step = -1;  // negative: not known
  std::string kind;
  std::string text;
};

// A change of MAGAN's margin at the end of an epoch: its measurement or a cut.
struct MarginCut {
  double step = 0;
  double from = 0;  // NaN: there was none before
  double to = 0;
};

struct Stats {
  // Figures of report lines by their name; those of an event's lines by "event:name". Also what is
  // derived from one line: "derived:energy_ratio" (energy/fake over energy/real; none where
  // one of them is ever negative),
  // "epoch:mean/real" and "epoch:mean/fake" (S_D and S_G over the epoch's steps).
  std::map<std::string, Series> series;
  std::vector<Warning> warnings;
  std::vector<MarginCut> cuts;
  std::vector<std::string> pictures;  // files that lines of samples name
  double last_step = -1;              // negative: there is no line with a step
  double last_images = 0;
  std::size_t lines = 0;       // readable ones
  std::size_t unreadable = 0;  // neither counted is a last line that is still being written
};

// Takes what it can: fields of other types than expected are passed over, and lines that are no
// JSON objects are counted.
[[nodiscard]] Stats read_stats(std::string_view text);

}  // namespace valley::report
