// Element-wise kernels for CPUs and CUDA devices.
//
// Each runs on the device of its tensors; on CUDA it is queued on the current stream and never
// blocks the host. Results do not depend on the number of threads; CPU and GPU agree bitwise where
// stated.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "core/philox.h"

namespace valley::kernels {

// Converts pixels to network input: out = bytes / 127.5 - 1, in [-1, 1].
//   bytes  uint8 [B, H, W, C], contiguous
//   out    float [B, C, H, W], channels_last
// With `mirror`, sample i is flipped left to right when the lowest bit of Philox(seed, kMirror,
// position + offset + i) is set. CPU and GPU agree bitwise.
struct Mirror {
  bool on = false;
  std::uint64_t seed = 0;
};
void images_from_bytes(const at::Tensor& bytes, const at::Tensor& out, const Mirror& mirror,
                       const at::Tensor& position, std::int64_t offset);

// Converts network output to pixels: round((x + 1) * 127.5), clamped to 0..255.
//   images  float [B, C, H, W] in [-1, 1]; returns uint8 [B, H, W, C] on the same device
[[nodiscard]] at::Tensor bytes_from_images(const at::Tensor& images);

// Fills row i of out (float [B, n]) with uniform values in [low, high), drawn from Philox(seed,
// stream, position + offset + i), four per block, starting at block `first_block`.
//   position  int64 [] on out's device: index of the first sample of the global batch
// CPU and GPU agree bitwise for low = -1, high = 1 and low = 0, high = 1.
struct UniformDraw {
  std::uint64_t seed = 0;
  RandomStream stream = RandomStream::kLatentD;
  float low = -1;
  float high = 1;
  std::uint32_t first_block = 0;
};
void fill_uniform(const at::Tensor& out, const UniformDraw& draw, const at::Tensor& position,
                  std::int64_t offset);

// Fills row i of out (float [B, n]) with normal values of mean 0 and standard deviation
// `deviation`, drawn from Philox(seed, stream, position + offset + i): four values per block,
// starting at block `first_block`, so that each step of a chain can use other blocks. Bitwise equal
// on all CPUs; GPUs differ in the last bits.
//   later  int64 [] on out's device, or undefined: number of blocks to add to `first_block`, so
//   that
//          replays of a CUDA graph draw different values
struct NormalDraw {
  std::uint64_t seed = 0;
  RandomStream stream = RandomStream::kLangevin;
  float deviation = 1;
  std::uint32_t first_block = 0;
};
void fill_normal(const at::Tensor& out, const NormalDraw& draw, const at::Tensor& position,
                 std::int64_t offset, const at::Tensor& later = {});

// Shifts each image and fills a rectangle of it, as the augmentations translation and cutout do.
//   images   float [B, C, H, W], channels_last
//   windows  int32 [B, 6] on the same device: the shift down and to the right, in pixels, then the
//            rectangle [top, bottom) x [left, right) in the shifted image; empty: no rectangle
// Pixels that come from outside and those of the rectangle are `fill`. Returns images of the same
// shape. CPU and GPU agree bitwise.
[[nodiscard]] at::Tensor shift_and_cut(const at::Tensor& images, const at::Tensor& windows,
                                       float fill);
// The gradient of its input from that of its output.
[[nodiscard]] at::Tensor shift_and_cut_backward(const at::Tensor& gradient,
                                                const at::Tensor& windows);

}  // namespace valley::kernels
