// Bias and ELU after a convolution in one pass over memory, forward and backward.
//
// y: float or bfloat16 [N, C, H, W] in channels_last order; the arithmetic is float. Each runs
// on the device of its tensors, on CUDA on the current stream. Results do not depend on the number
// of threads.
#pragma once

#include <ATen/core/Tensor.h>

namespace valley::kernels {

// y <- elu(y + bias[c]), in place, with alpha 1 (Clevert, Unterthiner, Hochreiter 2016). bias: [C],
// float or of y's type.
void bias_elu_(const at::Tensor& y, const at::Tensor& bias);

// grad * elu'(x), from y = elu(x): elu' = 1 where y > 0, else y + 1. Result in y's type and layout;
// grad in any. bias_grad: float [C], receives the sum of the result over N, H, W; may be undefined.
[[nodiscard]] at::Tensor elu_backward(const at::Tensor& grad, const at::Tensor& y,
                                      const at::Tensor& bias_grad);

// The same for y = leaky_relu(x) with the negative slope `leak` (0: ReLU); CPU tensors only.
[[nodiscard]] at::Tensor leaky_backward(const at::Tensor& grad, const at::Tensor& y, double leak,
                                        const at::Tensor& bias_grad);

}  // namespace valley::kernels
