// Who holds up a job whose ranks make no progress. A pure function of what the monitor knows.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "flight/rank_report.h"

namespace valley {

// What the monitor knows of a rank.
struct RankView {
  int rank = 0;
  std::optional<RankReport> report;  // the newest one
  double silent_s = 0;               // since that report
  bool is_connected = true;
  // By /proc, for processes on a host with a rank that answers; nullopt: not known.
  std::optional<char> process;
  bool is_gone = false;  // a rank on its host says that the process has ended
};

enum class HangKind {
  kDead,         // the process has ended
  kStopped,      // by a signal or a debugger
  kUnreachable,  // silent, on a host of which nothing is known: host down, network, or stopped
  kMismatch,     // ranks called different collectives
  kLoader,       // waits for images
  kComputing,    // in a kernel or in host code between collectives
  kBusy,         // saves, evaluates, validates, starts or ends
  kNetwork,      // all ranks are in the same collective
  kUnknown
};
[[nodiscard]] const char* name_of(HangKind kind);

struct Verdict {
  HangKind kind = HangKind::kUnknown;
  std::vector<int> ranks;  // that hold up the others
  std::int64_t step = 0;
  std::string collective;  // the one that is missing, "" if not known
  std::string text;        // one sentence without a full stop
};

// A rank is silent after this time without a report.
inline constexpr double kSilentSeconds = 5;

// `views`: of all ranks, by rank.
[[nodiscard]] Verdict judge(const std::vector<RankView>& views);

// "all-reduce 17 of 83,763 floats (335 KB) in phase D of step 12".
[[nodiscard]] std::string describe(const RecordedCollective& collective);

}  // namespace valley
