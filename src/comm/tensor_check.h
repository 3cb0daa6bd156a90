// Checks of arguments that all backends share. They throw std::logic_error: only a bug in the
// caller violates them.
#pragma once

#include <ATen/core/Tensor.h>

#include "comm/communicator.h"

namespace valley {

// Requires a tensor that is defined, on the communicator's device and dense in memory.
void check_tensor(const Communicator& communicator, const char* call, const at::Tensor& tensor);
// The same, and of a type that can be reduced.
void check_reducible(const Communicator& communicator, const char* call, const at::Tensor& tensor);
// The same, and that the number of ranks is a power of two.
void check_tree(const Communicator& communicator, const at::Tensor& tensor);
void check_broadcast(const Communicator& communicator, const at::Tensor& tensor, int root);
void check_gather(const Communicator& communicator, const at::Tensor& in, const at::Tensor& out);

// Work of a collective that has finished.
class FinishedWork final : public Work {
 public:
  void wait() override {}
};

}  // namespace valley
