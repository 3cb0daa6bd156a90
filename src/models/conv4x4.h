// 4x4 convs of stride 2 and padding 1, and transposed ones, with what follows them, by the CPU
// kernels of this program where they fit.
#pragma once

#include <ATen/core/Tensor.h>

#include "models/compute.h"
#include "models/layers.h"

namespace valley {

// True where `apply_conv4x4` has a way of its own for such a conv of x. Otherwise LibTorch's is
// there.
[[nodiscard]] bool has_conv4x4(const at::Tensor& x, const ConvShape& shape,
                               const ComputeOptions& compute);

// leaky_relu(conv(x) + bias); one node of autograd, whose second derivatives are not defined.
//   x       [B, I, H, W], float or bfloat16, channels_last, for which has_conv4x4 is true
//   conv    of `has_conv4x4`'s shape; its weight and bias, if it has one, are float
//   leak    what negative outputs are multiplied by; 1: the conv and its bias alone
//   returns [B, O, H / 2, W / 2], transposed [B, O, 2H, 2W], of x's type, channels_last
[[nodiscard]] at::Tensor apply_conv4x4(const at::Tensor& x, const Conv2d& conv, double leak,
                                       const ComputeOptions& compute);

}  // namespace valley
