// A 3x3 conv of stride 1 and padding 1 with its bias, by the CPU kernels of this program where they
// fit.
#pragma once

#include <ATen/core/Tensor.h>

#include "nn/compute.h"

namespace valley {

// True where `apply_conv3x3` has a way of its own for these maps. Otherwise LibTorch's conv is
// there.
[[nodiscard]] bool has_conv3x3(const at::Tensor& x, std::int64_t in, std::int64_t out,
                               const ComputeOptions& compute);

// conv(x) + bias; one node of autograd, whose second derivatives are not defined.
//   x       [B, I, H, W], float or bfloat16, for which has_conv3x3 is true
//   weight  float [O, I, 3, 3], bias float [O]: as are their gradients
//   returns [B, O, H, W] of x's type, channels_last
[[nodiscard]] at::Tensor apply_conv3x3(const at::Tensor& x, const at::Tensor& weight,
                                       const at::Tensor& bias, const ComputeOptions& compute);

}  // namespace valley
