// From tensors to the plain pointers of launch.h: which side a kernel runs on, and checks that
// several passes share. For this folder's sources only.
#pragma once

#include <ATen/core/Tensor.h>

// Before `run` below: a qualified name is looked up where the template stands.
#include "kernels/activation_launch.h"
#include "kernels/launch.h"
#include "kernels/loss_launch.h"

namespace valley::kernels {

template <typename Kernel>
void run(const at::Tensor& where, const Kernel& kernel) {
  if (where.is_cuda()) {
    cuda::run(kernel);
  } else {
    cpu::run(kernel);
  }
}

inline bool is_flat(const at::Tensor& t, std::int64_t n) {
  return t.scalar_type() == at::kFloat && t.is_contiguous() && t.numel() == n;
}

}  // namespace valley::kernels
