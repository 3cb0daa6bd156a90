// 4x4 convs of stride 2 and padding 1 on CPUs, and the transposed convs that are their way back,
// with fewer multiplications.
//
// Even and odd rows and columns of the large map are four maps of the small one's size, and the
// conv is the sum of a 2x2 conv of each; the transposed conv makes each of the four by a 2x2 conv
// of the small map. Winograd's minimal filtering F(4x4, 2x2) (Lavin & Gray 2016, arXiv 1509.09308,
// section 4.1, with the points 0, 1, -1, 2 and infinity) takes 25 multiplications for 16 outputs
// of such a conv instead of 64. Sums differ from those of a direct conv by rounding
// (tests/kernels/strided_conv_test.cpp). The order of all sums is fixed: results depend neither on
// threads nor on what else is in the batch.
#pragma once

#include <ATen/core/Tensor.h>

namespace valley::kernels {

// Whether the functions below take a large map [B, I, 2H, 2W] with `out` channels in the small one
// (`transposed`: a small map [B, I, H, W] with `out` in the large one): float or bfloat16 on a CPU
// with AVX2 or AVX-512, channels in whole vectors of 16, H and W at least 3; bfloat16, which is
// multiplied in float, only where the CPU has no tile units (AMX) for it. Where it is false,
// LibTorch's convs are there.
[[nodiscard]] bool strided_conv_fits(const at::Tensor& x, std::int64_t out, bool transposed);

// `weight` is float [S, L, 4, 4] in all of these, S channels of the small map and L of the large
// one, any strides: at::conv2d and at::conv_transpose2d have it so. Maps are channels_last; what is
// returned is of x's type.

// leaky_relu(conv(x) + bias): [B, L, 2H, 2W] -> [B, S, H, W]; transposed: the other way.
//   bias  float, one for each channel returned; undefined: none
//   leak  what negative outputs are multiplied by; 1: the conv alone
[[nodiscard]] at::Tensor strided_conv(const at::Tensor& x, const at::Tensor& weight,
                                      const at::Tensor& bias, double leak, bool transposed);

// The gradient of the weight, from the large map and the small one: x and the gradient of the
// output, or for a transposed conv the other way round.
[[nodiscard]] at::Tensor strided_conv_weight_gradient(const at::Tensor& large,
                                                      const at::Tensor& small);

}  // namespace valley::kernels
