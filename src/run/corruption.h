// Report on a difference between ranks that an audit has found (train/audit.h).
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "train/audit.h"

namespace valley {

struct CorruptionReport {
  std::string why;           // for exit.json: the difference, with hosts
  std::string suspect_host;  // "" if it may be any of several, or if there is only one
};

// `hosts`: host names by rank.
[[nodiscard]] CorruptionReport describe_corruption(const CorruptionFound& found,
                                                   const std::vector<std::string>& hosts);

// A sentence for the log: where training can continue. `suspect`: steps of the checkpoints that
// were renamed (rename_suspect_checkpoints); `confirmed`: the last step with an audit that found
// no difference.
[[nodiscard]] std::string advice_for(const CorruptionReport& report,
                                     const std::vector<std::int64_t>& suspect,
                                     std::int64_t confirmed, const std::filesystem::path& run);

}  // namespace valley
