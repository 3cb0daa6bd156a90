// Maps that Valley's own CPU convolutions read and write.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "kernels/cpu_features.h"

namespace valley::kernels {

inline constexpr auto kMapLayout = at::MemoryFormat::ChannelsLast;
// Floats of an AVX-512 register: channels must be a multiple.
inline constexpr std::int64_t kConvLanes = 16;

inline bool is_bf16(const at::Tensor& t) { return t.scalar_type() == at::kBFloat16; }
// [B, C, H, W] on a CPU, channels_last, float or bfloat16.
inline bool is_map(const at::Tensor& t) {
  return t.dim() == 4 && t.is_cpu() && t.is_contiguous(kMapLayout) &&
         (t.scalar_type() == at::kFloat || is_bf16(t));
}
// False for bfloat16 where the CPU has AMX, which multiplies it faster.
inline bool own_conv_takes(const at::Tensor& x) {
  return cpu::vectors() != cpu::Vectors::kNone && is_map(x) &&
         !(is_bf16(x) && cpu::has_tile_units()) && x.numel() > 0;
}

}  // namespace valley::kernels
