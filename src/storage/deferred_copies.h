// Copies that one thread makes while another goes on, as long as that only reads what is copied.
#pragma once

#include <ATen/core/Tensor.h>

#include <atomic>
#include <utility>
#include <vector>

namespace valley {

class DeferredCopies {
 public:
  // Before `make`. Both have the same shape; `to` is read by nobody before it is made.
  void add(at::Tensor from, at::Tensor to);
  // Makes all of them, on the thread that calls it. Once.
  void make();
  // Waits until `make` has ended: what was copied from may change again. Any thread, any time.
  void wait() const { made_.wait(false); }

 private:
  struct Copy {
    at::Tensor from, to;
  };
  std::vector<Copy> copies_;
  std::atomic<bool> made_ = false;
};

}  // namespace valley
