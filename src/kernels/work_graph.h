// Work on a device that is recorded once and then repeated as a whole.
//
// All of it runs on a stream of its own, ordered after what the calling thread's current stream
// holds and before what is queued on that later.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <memory>

namespace valley {

class WorkGraph {
 public:
  virtual ~WorkGraph() = default;
  // Queues `work` without recording it. What is to be recorded runs so a few times before, for
  // libraries to choose their kernels and to take the memory that they keep.
  virtual void run(const std::function<void()>& work) = 0;
  // Records what `work` queues, without doing it. The tensors that it reads and writes keep their
  // places: what it made must be held for as long as `replay` is called. Nothing in it may wait for
  // the device. Error (kConfig) naming performance.cuda_graph where the device refuses.
  virtual void record(const std::function<void()>& work) = 0;
  // Does what was recorded last, `times` times in a row.
  virtual void replay(std::int64_t times = 1) = 0;
};

// A CUDA graph. Other threads may allocate and copy meanwhile, but not on its stream.
[[nodiscard]] std::unique_ptr<WorkGraph> make_cuda_graph(at::Device device);

}  // namespace valley
