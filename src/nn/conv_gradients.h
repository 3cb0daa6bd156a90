// Gradients of convolutions by LibTorch, for layers whose forward pass uses Valley's kernels.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <utility>

namespace valley {

// Gradients of x, in x's type, and of the weight, float; undefined if not needed. Padding 1.
//   gradient  of the convolution's output, or of the transposed one's
//   weight    channels_last, in the type to multiply in
[[nodiscard]] std::pair<at::Tensor, at::Tensor> conv_gradients(const at::Tensor& gradient,
                                                               const at::Tensor& x,
                                                               const at::Tensor& weight,
                                                               std::int64_t stride, bool transposed,
                                                               bool needs_x, bool needs_weight);

}  // namespace valley
