// Bias and ELU behind a conv in one pass over memory, forward and backward.
//
// y: float or bfloat16 [N, C, H, W] in channels_last order; the arithmetic is float. Tensors decide
// where a pass runs; on CUDA it is queued on the current stream. Results do not depend on threads.
#pragma once

#include <ATen/core/Tensor.h>

namespace valley::kernels {

// y <- elu(y + bias[c]), in place, with alpha 1 (Clevert, Unterthiner, Hochreiter 2016). bias: [C],
// float or of y's type.
void bias_elu_(const at::Tensor& y, const at::Tensor& bias);

// grad * elu'(x), from y = elu(x): elu' = 1 where y > 0, else y + 1. Of y's type and layout; grad
// in any. bias_grad: float [C], becomes the sum of that over N, H, W; undefined: not summed.
[[nodiscard]] at::Tensor elu_backward(const at::Tensor& grad, const at::Tensor& y,
                                      const at::Tensor& bias_grad);

// The same for y = leaky_relu(x) with the negative slope `leak` (0: ReLU); CPU tensors only.
[[nodiscard]] at::Tensor leaky_backward(const at::Tensor& grad, const at::Tensor& y, double leak,
                                        const at::Tensor& bias_grad);

}  // namespace valley::kernels
