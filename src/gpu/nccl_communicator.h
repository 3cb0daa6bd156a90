// CUDA tensors over NCCL, on a stream of its own with high priority. A call queues its work after
// what the calling thread's current stream holds and returns; Work::wait queues an event. The host
// never waits for the device but in `barrier`.
//
// NCCL runs in its non-blocking mode: a rank that does not come ends in an Error (kRankLost) after
// `timeout` and not in a hang. Its price is a thread of NCCL's for each call outside a CUDA graph,
// tens of microseconds of host time.
//
// After a failure nothing is torn down, because aborting a communicator can hang itself: the Error
// is meant to end the process.
#pragma once

#include <chrono>
#include <memory>

#include "comm/communicator.h"

namespace valley {

struct NcclOptions {
  std::chrono::seconds timeout{120};           // to connect, and to queue a call
  std::chrono::seconds barrier_timeout{1800};  // covers the work queued before it
};

// Collective over `host`, which carries the bootstrap; `device` is this rank's GPU. Warns when the
// NCCL that is loaded is not the one compiled against.
[[nodiscard]] std::unique_ptr<Communicator> make_nccl_communicator(Communicator& host,
                                                                   at::Device device,
                                                                   NcclOptions options = {});

}  // namespace valley
