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
  bool shares_gpus = false;       // whether its ranks may share a GPU: asked_to_share_gpus
  std::vector<std::string> gpus;  // backend.h's visible_gpus()
  std::string obstacle;           // backend.h's gpu_obstacle(): one line

  [[nodiscard]] std::string to_text() const;
  [[nodiscard]] static RankDevices from_text(std::string_view text);
};

// What VALLEY_SHARE_GPU says: "1" lets ranks share a GPU, which is for functional tests; not set or
// "0" does not. Error kConfig for anything else. `value`: null where it is not set.
[[nodiscard]] bool asked_to_share_gpus(const char* value);

// For each rank the index into its own `gpus`; empty when the job runs on CPUs. `ranks` is in rank
// order. A rank takes the first GPU it sees that no earlier rank of its host has taken, which gives
// one each where all see all, and also where the launcher shows each rank its own. Throws Error
// (kConfig) as World::join says. A host whose GPUs cannot be used is rejected for kAuto too: a job
// must not train on CPUs beside a GPU by accident.
[[nodiscard]] std::vector<int> assign_gpus(DeviceChoice choice,
                                           const std::vector<RankDevices>& ranks);

// What NCCL_HOSTID is to be in `rank`, before any call of NCCL's; "" where it is not needed. NCCL
// refuses two ranks on one GPU of one host, so where `gpus`, the answer of assign_gpus, has ranks
// share one, every rank of the job gives itself out for a host of its own. They then meet over the
// network and not over NVLink.
[[nodiscard]] std::string nccl_host_id(const std::vector<RankDevices>& ranks,
                                       const std::vector<int>& gpus, int rank);

}  // namespace valley
