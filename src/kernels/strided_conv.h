// 4x4 convolutions with stride 2 and padding 1 on CPUs, and transposed ones, with fewer
// multiplications.
//
// The even and odd rows and columns of the large map form four maps of the size of the small one.
// The convolution is the sum of a 2x2 convolution of each; the transposed convolution computes each
// of them by a 2x2 convolution of the small map. Winograd's minimal filtering F(4x4, 2x2) (Lavin &
// Gray 2016, arXiv 1509.09308, section 4.1, with the points 0, 1, -1, 2 and infinity) takes 25
// multiplications for 16 outputs of such a convolution instead of 64. Results differ from those of
// a direct convolution by rounding (tests/kernels/strided_conv_test.cpp). The order of all sums is
// fixed: results depend neither on the number of threads nor on other samples of the batch.
#pragma once

#include <ATen/core/Tensor.h>

namespace valley::kernels {

// True if the functions below support a large map [B, I, 2H, 2W] with `out` channels in the small
// one
// (`transposed`: a small map [B, I, H, W] with `out` in the large one): float or bfloat16 on a CPU
// with AVX2 or AVX-512, channels in multiples of 16, H and W at least 3; bfloat16, which is
// multiplied in float, only on CPUs without AMX. Otherwise use LibTorch's convolutions.
[[nodiscard]] bool strided_conv_fits(const at::Tensor& x, std::int64_t out, bool transposed);

// `weight` is float [S, L, 4, 4] with any strides, for S channels of the small map and L of the
// large one, as for at::conv2d and at::conv_transpose2d. Maps are channels_last; results have x's
// type.

// leaky_relu(conv(x) + bias): [B, L, 2H, 2W] -> [B, S, H, W]; transposed: the other way.
//   bias  float [channels of the result], or undefined
//   leak  factor of negative outputs; 0: ReLU, 1: no activation
[[nodiscard]] at::Tensor strided_conv(const at::Tensor& x, const at::Tensor& weight,
                                      const at::Tensor& bias, double leak, bool transposed);

// Gradient of the weight. Convolution: x is the large map, the gradient of the output the small
// one; transposed convolution: the reverse.
[[nodiscard]] at::Tensor strided_conv_weight_gradient(const at::Tensor& large,
                                                      const at::Tensor& small);

}  // namespace valley::kernels
