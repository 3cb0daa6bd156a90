// Winograd convolutions on CPUs, 3x3 with stride 1 and padding 1: minimal filtering F(4x4, 3x3)
// (Lavin & Gray 2016, arXiv 1509.09308, section 4.3).
//
// A tile of 4x4 outputs takes 36 multiplications per pair of channels instead of 144. If the input
// is upsampled by 2 (nearest neighbor), one row and one column of each transformed tile are zero,
// and 25 multiplications remain. The rounding error is about ten times that of a direct convolution
// (tests/kernels/winograd_test.cpp). The order of all sums is fixed: results depend neither on the
// number of threads nor on other samples of the batch.
#pragma once

#include <ATen/core/Tensor.h>

namespace valley::kernels {

// True if the functions below support these: maps of float or bfloat16 on a CPU with AVX2 or
// AVX-512, channels in multiples of 16; bfloat16, which is transformed and multiplied in float,
// only on CPUs without AMX. Otherwise use LibTorch's convolutions.
[[nodiscard]] bool winograd_fits(const at::Tensor& x, std::int64_t in, std::int64_t out);

// elu(conv(x) + bias) if `bias` [O] is defined; conv(x) otherwise.
//   x       float or bfloat16 [B, I, H, W], channels_last; the result has its type
//   weight  float [O, I, 3, 3], any strides
//   returns [B, O, H, W], or [B, O, 2H, 2W] with `upsamples`, channels_last
[[nodiscard]] at::Tensor winograd_conv(const at::Tensor& x, const at::Tensor& weight,
                                       const at::Tensor& bias, bool upsamples);

// Gradient of x, [B, I, H, W], from the gradient of the output, [B, O, H, W] or, with
// `upsamples`, [B, O, 2H, 2W]; channels_last.
[[nodiscard]] at::Tensor winograd_input_gradient(const at::Tensor& gradient,
                                                 const at::Tensor& weight, bool upsamples);

// Gradient of the weight, float [O, I, 3, 3].
[[nodiscard]] at::Tensor winograd_weight_gradient(const at::Tensor& gradient, const at::Tensor& x,
                                                  bool upsamples);

}  // namespace valley::kernels
