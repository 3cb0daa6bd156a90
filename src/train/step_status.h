// The status of steps on the host, read without delaying the device.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Event.h>

#include <cstdint>
#include <deque>
#include <memory>

#include "comm/communicator.h"

namespace valley {

struct StepStatus {
  // Newest step whose status is known; after a step that was not finite, the first such step.
  std::int64_t step = 0;
  bool not_finite = false;
  bool stop = false;  // some rank was asked to stop
  bool save = false;  // rank 0 asked for a checkpoint in a step that became known with this read
};

// What a rank asks of all others with a step: one number, of which ranks reduce the sum.
[[nodiscard]] float encode_requests(bool stop, bool save);

// Copies of two device scalars per step, read a fixed number of steps later: 0 on CPUs, 2 on CUDA
// devices, where the copy goes to pinned memory and an event reports its end. All ranks read the
// same status at the same step.
class StatusQueue {
 public:
  // `communicator` must outlive this object.
  explicit StatusQueue(Communicator& communicator);
  // not_finite: int32 [], requests: float [], the sum over all ranks, both on the device.
  void push(std::int64_t step, const at::Tensor& not_finite, const at::Tensor& requests);
  // Error (kRankLost) if the device does not finish a step within the communicator's timeout.
  [[nodiscard]] StepStatus read(bool wait_for_all);
  // Training continues from another state, for which no status is known. All statuses have been
  // read.
  void clear();

 private:
  struct Entry {
    std::int64_t step;
    at::Tensor host;  // float [2]
    std::unique_ptr<c10::Event> event;
  };
  void take_oldest();
  Communicator& communicator_;
  at::Device device_;
  std::size_t lag_;
  std::deque<Entry> pending_;
  StepStatus status_;
};

}  // namespace valley
