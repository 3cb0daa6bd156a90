// The last conv of a network that makes images as one node of autograd.
#pragma once

#include <ATen/core/Tensor.h>

#include "nn/layers.h"

namespace valley {

// What `conv` gives of x, [B, in, H, W] -> [B, out, H, W]: by kernels/narrow_conv.h where that
// fits, then channels_last and without second derivatives; by LibTorch elsewhere.
[[nodiscard]] at::Tensor image_conv(const Conv2d& conv, const at::Tensor& x);

}  // namespace valley
