// Replaces src/kernels/cuda_run.cuh: CUDA's keywords and built-in variables for a C++ compiler, and
// grids that run on the calling thread, so that kernels can be tested without a GPU. Blocks run one
// after the other; the threads of a block take turns, each from one __syncthreads() to the next, in
// an order that the test chooses: a result that depends on it indicates a race. Also finds wrong
// indices, bounds and sums.
#pragma once

#include <cmath>
#include <cstdint>
#include <type_traits>

#include "core/philox.h"
#include "kernels/emulated/block.h"

#define __global__
#define __device__
#define __shared__ static  // one block at a time

using valley::testing::blockDim;
using valley::testing::blockIdx;
using valley::testing::dim3;
using valley::testing::gridDim;
using valley::testing::threadIdx;

inline void __syncthreads() { valley::testing::wait_for_the_block(); }

namespace valley::kernels::cuda {

struct Bfloat16 {
  std::uint16_t bits;
};

inline std::int64_t max_blocks() { return testing::max_blocks; }

template <typename... Arguments>
void start(void (*kernel)(Arguments...), dim3 grid, dim3 block,
           const std::type_identity_t<Arguments>&... arguments) {
  valley::testing::run_grid(grid, block, [&] { kernel(arguments...); });
}

}  // namespace valley::kernels::cuda

inline float __bfloat162float(valley::kernels::cuda::Bfloat16 x) {
  return __builtin_bit_cast(float, static_cast<std::uint32_t>(x.bits) << 16U);
}
inline valley::kernels::cuda::Bfloat16 __float2bfloat16_rn(float x) {
  const auto bits = __builtin_bit_cast(std::uint32_t, x);
  return {static_cast<std::uint16_t>((bits + 0x7FFFU + ((bits >> 16U) & 1U)) >> 16U)};
}
