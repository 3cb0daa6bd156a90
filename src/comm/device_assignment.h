// Which GPU each rank of a job takes. Pure: every rank computes all ranks' answers from the same
// facts, so that what is refused is refused on every rank with the same words.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "comm/world.h"

namespace valley {

// What one rank has.
struct RankDevices {
  std::string host;
  bool built_with_cuda = false;
  bool shares_gpus = false;       // NCCL_HOSTID is set: ranks may share a GPU (functional tests)
  std::vector<std::string> gpus;  // backend.h's visible_gpus()

  [[nodiscard]] std::string to_text() const;
  [[nodiscard]] static RankDevices from_text(std::string_view text);
};

// For each rank the index into its own `gpus`; empty when the job runs on CPUs. `ranks` is in rank
// order. A rank takes the first GPU it sees that no earlier rank of its host has taken, which gives
// one each where all see all, and also where the launcher shows each rank its own. Throws Error
// (kConfig) as World::join says.
[[nodiscard]] std::vector<int> assign_gpus(DeviceChoice choice,
                                           const std::vector<RankDevices>& ranks);

}  // namespace valley
