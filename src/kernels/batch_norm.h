// Batch norm with batch statistics (Ioffe & Szegedy 2015, arXiv 1502.03167, algorithm 1) fused with
// leaky ReLU, forward and backward, on CPUs. Each map is read once for its statistics and once for
// the normalization.
//
// Slices of rows are summed separately and combined in double: results do not depend on the number
// of threads.
#pragma once

#include <ATen/core/Tensor.h>

namespace valley::kernels {

// Float or bfloat16 [N, C, H, W] on a CPU, channels_last.
[[nodiscard]] bool batch_norm_fits(const at::Tensor& x);

struct NormedBatch {
  at::Tensor y;                  // type and layout of x
  at::Tensor mean;               // float [C]
  at::Tensor inverse_deviation;  // float [C]: 1 / sqrt(biased variance + epsilon)
};

// weight, bias: float [C]. leak: factor of negative outputs; 0: ReLU, 1: no activation.
[[nodiscard]] NormedBatch batch_norm(const at::Tensor& x, const at::Tensor& weight,
                                     const at::Tensor& bias, double epsilon, double leak);

struct NormGradients {
  at::Tensor x;             // type and layout of x
  at::Tensor weight, bias;  // float [C]
};

// `gradient`: with respect to y, in any layout.
[[nodiscard]] NormGradients batch_norm_backward(const at::Tensor& gradient, const at::Tensor& x,
                                                const at::Tensor& weight, const at::Tensor& bias,
                                                const at::Tensor& mean,
                                                const at::Tensor& inverse_deviation, double leak);

}  // namespace valley::kernels
