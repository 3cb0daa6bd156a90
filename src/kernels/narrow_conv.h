// Small-channel convolutions on CPUs: 3x3 of stride 1 and padding 1 from or to the 1 or 3 channels
// of an image, and 4x4 transposed ones to an image. Their loops are too short for general kernels.
//
// Direct convolutions: results differ from LibTorch's by rounding. The order of all sums is fixed:
// results depend neither on the number of threads nor on other samples of the batch.
#pragma once

#include <ATen/core/Tensor.h>

namespace valley::kernels {

// True if the functions below support these: 1 or 3 channels on one side, a multiple of 16 on the
// other; maps of float or bfloat16 on a CPU with AVX2 or AVX-512; bfloat16, which is multiplied in
// float, only on CPUs without AMX. Otherwise use LibTorch's convolutions.
[[nodiscard]] bool small_channel_conv_fits(const at::Tensor& x, std::int64_t in, std::int64_t out);

// elu(conv(x) + bias) from 1 or 3 channels, conv(x) + bias to 1 or 3 channels.
//   x       float or bfloat16 [B, I, H, W], channels_last; the result has its type
//   weight  float [O, I, 3, 3], any strides
//   bias    float [O]
//   returns [B, O, H, W], channels_last
[[nodiscard]] at::Tensor small_channel_conv(const at::Tensor& x, const at::Tensor& weight,
                                            const at::Tensor& bias);

// Gradient of an x [B, I, H, W] of 1 or 3 channels, from the gradient of the output, [B, O, H, W];
// channels_last. (For an x of many channels LibTorch is as fast.)
[[nodiscard]] at::Tensor small_channel_conv_input_gradient(const at::Tensor& gradient,
                                                           const at::Tensor& weight);

// conv_transpose(x) + bias with a 4x4 kernel, stride 2 and padding 1, to 1 or 3 channels; also the
// gradient of the input image of a strided convolution.
//   x       [B, I, H, W], channels_last; small_channel_conv_fits(x, I, O)
//   weight  float [I, O, 4, 4], any strides
//   bias    float [O], or undefined
//   returns [B, O, 2H, 2W], channels_last
[[nodiscard]] at::Tensor small_channel_transposed_conv(const at::Tensor& x,
                                                       const at::Tensor& weight,
                                                       const at::Tensor& bias);

// Gradient of the weight, float [O, I, 3, 3]. bias_gradient: float [O], receives the gradient of
// the bias of a convolution to 1 or 3 channels; may be undefined.
[[nodiscard]] at::Tensor small_channel_conv_weight_gradient(const at::Tensor& gradient,
                                                            const at::Tensor& x,
                                                            const at::Tensor& bias_gradient);

}  // namespace valley::kernels
