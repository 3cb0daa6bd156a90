// CUDA tensors over NCCL, on a stream of its own with high priority. A call queues its work after
// what the calling thread's current stream holds and returns; Work::wait queues an event. The host
// waits for the device in `barrier` and `wait_until` alone.
//
// NCCL runs in its non-blocking mode: a rank that is missing ends in an Error (kRankLost) after
// `timeout` and not in a hang. Its price is a thread of NCCL's for each call outside a CUDA graph,
// 20 to 40 microseconds of host time (docs/architecture.md).
//
// After a failure nothing is torn down, because aborting a communicator can hang itself: the Error
// is meant to end the process.
#pragma once

#include <chrono>
#include <memory>

#include "comm/communicator.h"

namespace valley {

// Collective over `host`, which carries the bootstrap; `device` is this rank's GPU. Connects all
// ranks to each other, so that the first collective of the caller does not wait for that. Warns
// when the loaded NCCL is not the one compiled against. `timeout`: limit of connecting, of queueing
// a collective and of each wait of the host for the device.
[[nodiscard]] std::unique_ptr<Communicator> make_nccl_communicator(Communicator& host,
                                                                   at::Device device,
                                                                   std::chrono::seconds timeout);

}  // namespace valley
