// 3x3 convolutions with stride 1, padding 1 and bias, by Valley's CPU kernels.
#pragma once

#include <ATen/core/Tensor.h>

#include "nn/compute.h"

namespace valley {

// True if `apply_conv3x3` supports this convolution of x. Otherwise use LibTorch's.
[[nodiscard]] bool has_conv3x3(const at::Tensor& x, std::int64_t in, std::int64_t out,
                               const ComputeOptions& compute);

// conv(x) + bias as one autograd node without second derivatives.
//   x       [B, I, H, W], float or bfloat16, for which has_conv3x3 is true
//   weight  float [O, I, 3, 3], bias float [O]; their gradients have the same types
//   returns [B, O, H, W] of x's type, channels_last
[[nodiscard]] at::Tensor apply_conv3x3(const at::Tensor& x, const at::Tensor& weight,
                                       const at::Tensor& bias, const ComputeOptions& compute);

}  // namespace valley
