// Runs a kernel of launch.h on the device of its tensors; checks that kernels share. For the
// sources of this folder only.
#pragma once

#include <ATen/core/Tensor.h>

// Included before `run` below: qualified names are looked up where a template is defined.
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
