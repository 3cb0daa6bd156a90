// Launch of a kernel of launch.h on a GPU, and its grid-stride loop: the thread of element i
// continues with element i + stride().
#pragma once

#include <algorithm>

#include "kernels/cuda_run.cuh"
#include "kernels/launch.h"

namespace valley::kernels::cuda {

inline constexpr int kThreads = 256;

inline int blocks_for(std::int64_t n) {
  return static_cast<int>(
      std::min(max_blocks(), std::max<std::int64_t>(1, (n + kThreads - 1) / kThreads)));
}

__device__ inline std::int64_t first_index() {
  return static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
}
__device__ inline std::int64_t stride() {
  return static_cast<std::int64_t>(gridDim.x) * blockDim.x;
}

// Elements that a thread loads or stores with one instruction.
template <typename T, int kWidth>
struct alignas(sizeof(T) * kWidth) Pack {
  T at[kWidth];
};

inline bool is_aligned(const void* p) { return reinterpret_cast<std::uintptr_t>(p) % 16 == 0; }

template <typename Kernel>
void launch(void (*kernel)(Kernel), const Kernel& k, std::int64_t work) {
  if (work == 0) return;
  start(kernel, static_cast<unsigned>(blocks_for(work)), kThreads, k);
}

}  // namespace valley::kernels::cuda
