// 4x4 convolutions with stride 2 and padding 1, and transposed ones, fused with leaky ReLU, by
// Valley's CPU kernels.
#pragma once

#include <ATen/core/Tensor.h>

#include "nn/compute.h"
#include "nn/layers.h"

namespace valley {

// True if `apply_conv4x4` supports this convolution of x. Otherwise use LibTorch's.
[[nodiscard]] bool has_conv4x4(const at::Tensor& x, const ConvShape& shape,
                               const ComputeOptions& compute);

// leaky_relu(conv(x) + bias) as one autograd node without second derivatives.
//   x       [B, I, H, W], float or bfloat16, channels_last, for which has_conv4x4 is true
//   conv    its weight and bias, if it has one, are float
//   leak    factor of negative outputs; 0: ReLU, 1: no activation
//   returns [B, O, H / 2, W / 2], transposed [B, O, 2H, 2W], of x's type, channels_last
[[nodiscard]] at::Tensor apply_conv4x4(const at::Tensor& x, const Conv2d& conv, double leak,
                                       const ComputeOptions& compute);

}  // namespace valley
