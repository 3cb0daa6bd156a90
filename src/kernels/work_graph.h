// Work on a device that is captured once and then replayed as a whole: a CUDA graph.
//
// It runs on a stream of its own, after the work that is queued on the calling thread's current
// stream and before work that is queued there later.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <memory>

namespace valley {

class WorkGraph {
 public:
  virtual ~WorkGraph() = default;
  // Runs `work` without capturing it. Needed a few times before capture, so that libraries select
  // their kernels and allocate the memory that they keep.
  virtual void run(const std::function<void()>& work) = 0;
  // Captures the work that `work` queues, without running it. Replays use the same addresses:
  // tensors that it creates must outlive all calls of `replay`. It must not wait for the device.
  // Error (kConfig) naming performance.cuda_graph if capture fails.
  virtual void record(const std::function<void()>& work) = 0;
  // Replays the last capture `times` times.
  virtual void replay(std::int64_t times = 1) = 0;
};

// Returns a CUDA graph. Other threads may allocate and copy meanwhile, but not on its stream.
[[nodiscard]] std::unique_ptr<WorkGraph> make_cuda_graph(at::Device device);

}  // namespace valley
