// A 3x3 conv, its bias and ELU as one node of autograd, with nearest-neighbour upsampling before it
// where that is wanted.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace valley {

struct EluConvShape {
  std::int64_t stride = 1;  // 1 or 2
  // The input is upsampled by 2 (nearest neighbour) first; stride 1 only. Nothing is upsampled for
  // it: two neighbouring outputs read the same pixels through sums of weights, so that the whole is
  // a transposed conv with a 4x4 kernel and stride 2, at 4/9 of the multiplications.
  bool upsamples = false;
  // Winograd's way where it fits (kernels/winograd.h); it wants no transposed conv for upsampling.
  bool winograd = true;
  // The way of kernels/narrow_conv.h where that fits.
  bool narrow = true;
};

// elu(conv(x) + bias), padding 1. Its second derivatives are not defined.
//   x       [B, I, H, W], float or bfloat16, which decides what is multiplied and returned
//   weight  float [O, I, 3, 3], bias float [O]: as are their gradients
//   kept    the weight's shadow, or with `upsamples` what fold_upsampling makes of it (see
//   Parameter:
//           derived), read where x is of its type; or undefined
//   returns [B, O, H / stride, W / stride], or [B, O, 2H, 2W]; channels_last
[[nodiscard]] at::Tensor elu_conv(const at::Tensor& x, const at::Tensor& weight,
                                  const at::Tensor& bias, const EluConvShape& shape,
                                  const at::Tensor& kept = {});

// float [O, I, 3, 3] -> [I, O, 4, 4]: the weight of conv_transpose2d (stride 2, padding 1) that
// gives what the 3x3 conv gives of an input upsampled by 2: W4 = flip(W) convolved with a 2x2 of
// ones. `unfold_upsampling` is its adjoint: from the gradient of W4 to that of W.
[[nodiscard]] at::Tensor fold_upsampling(const at::Tensor& weight);
[[nodiscard]] at::Tensor unfold_upsampling(const at::Tensor& gradient);

}  // namespace valley
