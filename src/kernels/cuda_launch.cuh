// How a kernel of launch.h is started on a GPU, and the loop that its threads share: element i is
// the work of one thread, which goes on with i + stride().
#pragma once

#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAStream.h>

#include <algorithm>

#include "kernels/launch.h"

namespace valley::kernels::cuda {

inline constexpr int kThreads = 256;
inline constexpr std::int64_t kMaxBlocks = 4096;

inline int blocks_for(std::int64_t n) {
  return static_cast<int>(
      std::min(kMaxBlocks, std::max<std::int64_t>(1, (n + kThreads - 1) / kThreads)));
}

__device__ inline std::int64_t first_index() {
  return static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
}
__device__ inline std::int64_t stride() {
  return static_cast<std::int64_t>(gridDim.x) * blockDim.x;
}

template <typename Kernel>
void launch(void (*kernel)(Kernel), const Kernel& k, std::int64_t work) {
  if (work == 0) return;
  kernel<<<blocks_for(work), kThreads, 0, c10::cuda::getCurrentCUDAStream()>>>(k);
  C10_CUDA_KERNEL_LAUNCH_CHECK();
}

}  // namespace valley::kernels::cuda
