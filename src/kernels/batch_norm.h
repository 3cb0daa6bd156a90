// Batch norm with the moments of the batch (Ioffe & Szegedy 2015, arXiv 1502.03167, algorithm 1)
// and the leaky ReLU behind it, forward and backward, on CPUs: each map is read once for its
// moments and once for the rest.
//
// Moments are summed in slices of rows and brought together in double: results do not depend on
// threads.
#pragma once

#include <ATen/core/Tensor.h>

namespace valley::kernels {

// Float or bfloat16 [N, C, H, W] on a CPU, channels_last.
[[nodiscard]] bool batch_norm_fits(const at::Tensor& x);

struct NormedBatch {
  at::Tensor y;                  // of x's type and layout
  at::Tensor mean;               // float [C]
  at::Tensor inverse_deviation;  // float [C]: 1 / sqrt(biased variance + epsilon)
};

// weight, bias: float [C]. leak: what negative outputs are multiplied by; 1: batch norm alone.
[[nodiscard]] NormedBatch batch_norm(const at::Tensor& x, const at::Tensor& weight,
                                     const at::Tensor& bias, double epsilon, double leak);

struct NormGradients {
  at::Tensor x;             // of x's type and layout
  at::Tensor weight, bias;  // float [C]
};

// From the gradient of y, in any layout.
[[nodiscard]] NormGradients batch_norm_backward(const at::Tensor& gradient, const at::Tensor& x,
                                                const at::Tensor& weight, const at::Tensor& bias,
                                                const at::Tensor& mean,
                                                const at::Tensor& inverse_deviation, double leak);

}  // namespace valley::kernels
