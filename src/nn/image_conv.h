// The last conv of networks that output images, as one autograd node.
#pragma once

#include <ATen/core/Tensor.h>

#include "nn/layers.h"

namespace valley {

// conv(x), [B, in, H, W] -> [B, out, H, W]. Uses the small-channel convolution
// (kernels/narrow_conv.h) where supported, then the result is channels_last and has no second
// derivatives; otherwise LibTorch's.
[[nodiscard]] at::Tensor image_conv(const Conv2d& conv, const at::Tensor& x);

}  // namespace valley
