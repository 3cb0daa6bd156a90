// 3x3 convs of stride 1 and padding 1 on CPUs, with fewer multiplications: Winograd's minimal
// filtering F(4x4, 3x3) (Lavin & Gray 2016, arXiv 1509.09308, section 4.3).
//
// A tile of 4x4 outputs takes 36 multiplications for each pair of channels instead of 144. Where
// the input is upsampled by 2 (nearest neighbour), one row and one column of each transformed tile
// are zero, and 25 are left. Sums differ from those of a direct conv by rounding, about ten times
// as much as those of a direct conv do from exact ones (tests/kernels/winograd_test.cpp). The order
// of all sums is fixed: results depend neither on threads nor on what else is in the batch.
#pragma once

#include <ATen/core/Tensor.h>

namespace valley::kernels {

// Whether the functions below take these: maps of float or bfloat16 on a CPU with AVX2 or AVX-512,
// channels in whole vectors of 16; bfloat16, which is transformed and multiplied in float, only
// where the CPU has no tile units (AMX) for it. Where it is false, LibTorch's convs are there.
[[nodiscard]] bool winograd_fits(const at::Tensor& x, std::int64_t in, std::int64_t out);

// elu(conv(x) + bias), where `bias` [O] is defined; the conv alone otherwise.
//   x       float or bfloat16 [B, I, H, W], channels_last; what is returned is of its type
//   weight  float [O, I, 3, 3], any strides
//   returns [B, O, H, W], or [B, O, 2H, 2W] with `upsamples`, channels_last
[[nodiscard]] at::Tensor winograd_conv(const at::Tensor& x, const at::Tensor& weight,
                                       const at::Tensor& bias, bool upsamples);

// The gradient of x, [B, I, H, W], from that of the conv's output, [B, O, H, W] or, with
// `upsamples`, [B, O, 2H, 2W]; channels_last.
[[nodiscard]] at::Tensor winograd_input_gradient(const at::Tensor& gradient,
                                                 const at::Tensor& weight, bool upsamples);

// The gradient of the weight, float [O, I, 3, 3].
[[nodiscard]] at::Tensor winograd_weight_gradient(const at::Tensor& gradient, const at::Tensor& x,
                                                  bool upsamples);

}  // namespace valley::kernels
