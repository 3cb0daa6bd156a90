// Assignment of GPUs to the ranks of a job. Pure functions: every rank computes the assignment of
// all ranks from the same input, so that all ranks throw the same Error.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "comm/world.h"

namespace valley {

// Devices of one rank.
struct RankDevices {
  std::string host;
  bool built_with_cuda = false;
  bool shares_gpus = false;       // ranks may share a GPU: asked_to_share_gpus
  std::vector<std::string> gpus;  // backend.h's visible_gpus()
  std::string obstacle;           // backend.h's gpu_obstacle(): one line

  [[nodiscard]] std::string to_text() const;
  [[nodiscard]] static RankDevices from_text(std::string_view text);
};

// True if VALLEY_SHARE_GPU lets ranks share a GPU, for functional tests: "1", not "0" or unset
// (`value` is null). Error kConfig for any other value.
[[nodiscard]] bool asked_to_share_gpus(const char* value);

// For each rank the index into its own `gpus`; empty when the job runs on CPUs. `ranks` is in rank
// order. A rank takes the first visible GPU that no earlier rank of its host has taken, so that
// each has its own, whether the launcher shows all GPUs to all ranks or one to each. Throws Error
// (kConfig) as World::join does. Rejects a host whose GPUs cannot be used for kAuto too, so that
// jobs do not train on CPUs by accident.
[[nodiscard]] std::vector<int> assign_gpus(DeviceChoice choice,
                                           const std::vector<RankDevices>& ranks);

// Value of NCCL_HOSTID for `rank`, to be set before the first call of NCCL; "" if not needed. NCCL
// rejects two ranks on one GPU of a host, so if ranks share a GPU in `gpus`, the result of
// assign_gpus, every rank pretends to be on a host of its own. They then communicate over the
// network instead of NVLink.
[[nodiscard]] std::string nccl_host_id(const std::vector<RankDevices>& ranks,
                                       const std::vector<int>& gpus, int rank);

}  // namespace valley
