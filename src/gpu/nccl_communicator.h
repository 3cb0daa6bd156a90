// CUDA tensors over NCCL, on a separate stream with high priority. A call queues its work after the
// work on the calling thread's current stream and returns; Work::wait queues an event. The host
// waits for the device only in `barrier` and `wait_until`.
//
// NCCL runs in non-blocking mode: a missing rank causes an Error (kRankLost) after `timeout`
// instead of a hang. In exchange NCCL starts a thread for each call outside a CUDA graph, 20 to 40
// microseconds of host time (docs/architecture.md).
//
// A communicator is not destroyed after a failure, because that can hang: the Error should end the
// process.
#pragma once

#include <chrono>
#include <memory>

#include "comm/communicator.h"

namespace valley {

// Collective over `host`, which transfers the NCCL id; `device` is this rank's GPU. Connects all
// ranks, so that the first collective of the caller does not wait for that. Warns if the loaded
// NCCL is not the version at compile time. `timeout`: limit on connecting, on queueing a collective
// and on each wait of the host for the device.
[[nodiscard]] std::unique_ptr<Communicator> make_nccl_communicator(Communicator& host,
                                                                   at::Device device,
                                                                   std::chrono::seconds timeout);

}  // namespace valley
