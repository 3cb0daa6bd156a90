// The passes over memory that Valley does itself, on the CPU and on CUDA devices.
//
// Tensors decide where a pass runs; on CUDA it is queued on the current stream and never blocks the
// host. Element-wise: results do not depend on threads, and CPU and GPU agree to the bit where
// stated.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "core/philox.h"

namespace valley::kernels {

// Pixels to what networks read: out = bytes / 127.5 - 1, in [-1, 1].
//   bytes  uint8 [B, H, W, C], contiguous
//   out    float [B, C, H, W], channels_last
// With `mirror`, sample i is flipped left to right when the lowest bit of Philox(seed, kMirror,
// position + offset + i) is set. CPU and GPU agree to the bit.
struct Mirror {
  bool on = false;
  std::uint64_t seed = 0;
};
void images_from_bytes(const at::Tensor& bytes, const at::Tensor& out, const Mirror& mirror,
                       const at::Tensor& position, std::int64_t offset);

// What networks write, as pixels: round((x + 1) * 127.5), clamped to 0..255.
//   images  float [B, C, H, W] in [-1, 1]; returns uint8 [B, H, W, C] on the same device
[[nodiscard]] at::Tensor bytes_from_images(const at::Tensor& images);

// Fills row i of out (float [B, n]) with uniform numbers in [low, high), drawn from Philox(seed,
// stream, position + offset + i), four of a block, from block `first_block` on.
//   position  int64 [] on out's device: the index of the global batch's first sample
// CPU and GPU agree to the bit for low = -1, high = 1 and low = 0, high = 1.
struct UniformDraw {
  std::uint64_t seed = 0;
  RandomStream stream = RandomStream::kLatentD;
  float low = -1;
  float high = 1;
  std::uint32_t first_block = 0;
};
void fill_uniform(const at::Tensor& out, const UniformDraw& draw, const at::Tensor& position,
                  std::int64_t offset);

// Fills row i of out (float [B, n]) with normal numbers of mean 0 and standard deviation
// `deviation`, drawn from Philox(seed, stream, position + offset + i): four numbers a block, from
// block `first_block` on, so that one position can draw for many steps of a chain. The same bits on
// every CPU and thread; a GPU's differ in the last ones.
//   later  int64 [] on out's device, or undefined: blocks to add to `first_block`, for a recorded
//          pass that draws other numbers each time
struct NormalDraw {
  std::uint64_t seed = 0;
  RandomStream stream = RandomStream::kLangevin;
  float deviation = 1;
  std::uint32_t first_block = 0;
};
void fill_normal(const at::Tensor& out, const NormalDraw& draw, const at::Tensor& position,
                 std::int64_t offset, const at::Tensor& later = {});

}  // namespace valley::kernels
