// What every backend refuses alike: calls that no tensor of this kind can be given to. All throw
// std::logic_error, because only a bug in the caller gets here.
#pragma once

#include <ATen/core/Tensor.h>

#include "comm/communicator.h"

namespace valley {

// Defined, on the communicator's device, dense in memory.
void check_tensor(const Communicator& communicator, const char* call, const at::Tensor& tensor);
// Also of a type that can be added up.
void check_reducible(const Communicator& communicator, const char* call, const at::Tensor& tensor);
// Also on a power of two of ranks.
void check_tree(const Communicator& communicator, const at::Tensor& tensor);
void check_broadcast(const Communicator& communicator, const at::Tensor& tensor, int root);
void check_gather(const Communicator& communicator, const at::Tensor& in, const at::Tensor& out);

// A collective that is over when its call returns.
class FinishedWork final : public Work {
 public:
  void wait() override {}
};

}  // namespace valley
