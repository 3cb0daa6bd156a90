// Copies of tensors while training continues and only reads them: by another thread from host
// memory, on a separate stream from GPU memory.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Event.h>

#include <atomic>
#include <optional>
#include <utility>
#include <vector>

namespace valley {

class DeferredCopies {
 public:
  // Call before `begin`. Both have the same shape, and no thread reads `to` before `make` has
  // ended. All `from` are on the same device; if that is a GPU, `to` is in pinned memory.
  void add(at::Tensor from, at::Tensor to);
  // Queues copies from a GPU after the work on the calling stream. Call once, before `make`.
  void begin();
  // Makes copies on the calling thread, or waits for those of a GPU. Call once.
  void make();
  // Call before the source tensors change: on the host waits until `make` has ended; on a GPU makes
  // the calling stream wait for the copies. Any thread, after `begin`.
  void wait();

 private:
  struct Copy {
    at::Tensor from, to;
  };
  std::vector<Copy> copies_;
  std::optional<c10::Event> copied_;  // event after copies from a GPU
  at::Device device_ = at::kCPU;
  std::atomic<bool> made_ = false;
};

}  // namespace valley
