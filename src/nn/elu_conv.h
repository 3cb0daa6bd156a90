// A 3x3 conv, its bias and ELU as one autograd node, optionally after nearest-neighbor upsampling.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace valley {

struct EluConvShape {
  std::int64_t stride = 1;  // 1 or 2
  // Upsamples the input by 2 (nearest neighbor) before the conv; stride 1 only. The upsampled input
  // is not stored: neighboring outputs read the same pixels with sums of weights, so the result is
  // a transposed conv with a 4x4 kernel and stride 2, with 4/9 of the multiplications.
  bool upsamples = false;
  // Winograd convolution where supported (kernels/winograd.h), also with `upsamples`.
  bool winograd = true;
  // Small-channel convolution where supported (kernels/narrow_conv.h).
  bool narrow = true;
};

// elu(conv(x) + bias), padding 1, without second derivatives.
//   x       [B, I, H, W], float or bfloat16: the type of the products and of the result
//   weight  float [O, I, 3, 3], bias float [O]; their gradients have the same types
//   kept    the weight's bf16 copy, with `upsamples` Parameter::derived by fold_upsampling; used if
//           its type is that of x; may be undefined
//   returns [B, O, H / stride, W / stride], or [B, O, 2H, 2W]; channels_last
[[nodiscard]] at::Tensor elu_conv(const at::Tensor& x, const at::Tensor& weight,
                                  const at::Tensor& bias, const EluConvShape& shape,
                                  const at::Tensor& kept = {});

// float [O, I, 3, 3] -> [I, O, 4, 4]: the weight W4 of the conv_transpose2d (stride 2, padding 1)
// that equals upsampling by 2 followed by the 3x3 conv: flip(W) convolved with a 2x2 kernel of
// ones. `unfold_upsampling` is the adjoint: it maps the gradient of W4 to that of W.
[[nodiscard]] at::Tensor fold_upsampling(const at::Tensor& weight);
[[nodiscard]] at::Tensor unfold_upsampling(const at::Tensor& gradient);

}  // namespace valley
