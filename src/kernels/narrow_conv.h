// Small-channel convolutions on CPUs: 3x3 of stride 1 and padding 1 from or to the 1 or 3 channels
// of an image, and 4x4 transposed ones to an image. Their loops are too short for general kernels.
//
// Each product is made, as in a direct conv: results differ from LibTorch's by rounding. The order
// of all sums is fixed: results depend neither on threads nor on what else is in the batch.
#pragma once

#include <ATen/core/Tensor.h>

namespace valley::kernels {

// Whether the functions below take these: 1 or 3 channels on one side, whole vectors of 16 on the
// other; maps of float or bfloat16 on a CPU with AVX2 or AVX-512. bfloat16, which is multiplied in
// float, only where the CPU has no tile units (AMX) for it. Where it is false, LibTorch's convs are
// there.
[[nodiscard]] bool narrow_conv_fits(const at::Tensor& x, std::int64_t in, std::int64_t out);

// From few channels elu(conv(x) + bias), to few conv(x) + bias.
//   x       float or bfloat16 [B, I, H, W], channels_last; what is returned is of its type
//   weight  float [O, I, 3, 3], any strides
//   bias    float [O]
//   returns [B, O, H, W], channels_last
[[nodiscard]] at::Tensor narrow_conv(const at::Tensor& x, const at::Tensor& weight,
                                     const at::Tensor& bias);

// The gradient of x, [B, I, H, W], of few channels, from that of the conv's output, [B, O, H, W];
// channels_last. (Of x of many channels LibTorch's is as fast.)
[[nodiscard]] at::Tensor narrow_conv_input_gradient(const at::Tensor& gradient,
                                                    const at::Tensor& weight);

// conv_transpose(x) + bias with a 4x4 kernel, stride 2 and padding 1, to 1 or 3 channels: also the
// gradient of the input image of a strided convolution.
//   x       [B, I, H, W], channels_last; narrow_conv_fits(x, I, O)
//   weight  float [I, O, 4, 4], any strides
//   bias    float [O], or undefined
//   returns [B, O, 2H, 2W], channels_last
[[nodiscard]] at::Tensor narrow_transposed_conv(const at::Tensor& x, const at::Tensor& weight,
                                                const at::Tensor& bias);

// The gradient of the weight, float [O, I, 3, 3]. bias_gradient: float [O], becomes that of the
// bias of a conv to few channels; undefined: not summed.
[[nodiscard]] at::Tensor narrow_conv_weight_gradient(const at::Tensor& gradient,
                                                     const at::Tensor& x,
                                                     const at::Tensor& bias_gradient);

}  // namespace valley::kernels
