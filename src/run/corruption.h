// Report on a difference between ranks that an audit has found (train/audit.h).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "storage/run_directory.h"
#include "train/audit.h"

namespace valley {

struct CorruptionReport {
  std::string why;           // for exit.json: the difference, with hosts
  std::string suspect_host;  // "" if it may be any of several, or if there is only one
};

// `hosts`: host names by rank.
[[nodiscard]] CorruptionReport describe_corruption(const CorruptionFound& found,
                                                   const std::vector<std::string>& hosts);

// Renames the checkpoints after step `confirmed`, the last audit without a difference, to suspect
// ones, and returns a text for the log: that, and how training can continue.
[[nodiscard]] std::string distrust_checkpoints(const CorruptionReport& report,
                                               const RunDirectory& run, std::int64_t confirmed);

}  // namespace valley
