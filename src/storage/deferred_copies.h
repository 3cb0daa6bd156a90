// Copies that are made while training continues, as long as it only reads the tensors that are
// copied: by another thread from the host's memory, by a stream of its own from a GPU's.
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
  // Before `begin`. Both have the same shape, and no thread reads `to` before `make` has ended. All
  // of one device; where that is a GPU, `to` is in pinned memory.
  void add(at::Tensor from, at::Tensor to);
  // Queues copies from a GPU after the work that the calling stream holds. Once, before `make`.
  void begin();
  // Makes copies on the thread that calls it, or waits there for those of a GPU. Once.
  void make();
  // Before the tensors that are copied change: on the host waits until `make` has ended, on a GPU
  // holds the calling stream back until the copies are made. Any thread, after `begin`.
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
