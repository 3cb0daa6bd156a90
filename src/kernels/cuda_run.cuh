// Launch of a grid on the current stream. Tests replace this file and run the same kernels on a
// CPU.
#pragma once

#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAStream.h>
#include <cuda_bf16.h>

#include <cstdint>
#include <type_traits>

namespace valley::kernels::cuda {

using Bfloat16 = __nv_bfloat16;

// Maximum blocks of a grid with a grid-stride loop.
inline std::int64_t max_blocks() { return 4096; }

template <typename... Arguments>
void start(void (*kernel)(Arguments...), dim3 grid, dim3 block,
           const std::type_identity_t<Arguments>&... arguments) {
  kernel<<<grid, block, 0, c10::cuda::getCurrentCUDAStream()>>>(arguments...);
  C10_CUDA_KERNEL_LAUNCH_CHECK();
}

}  // namespace valley::kernels::cuda
