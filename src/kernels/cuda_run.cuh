// What of CUDA's C++ the kernels need beside its keywords: a grid started on the current stream. A
// test puts another file in the place of this one and runs the same kernels on a CPU.
#pragma once

#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAStream.h>
#include <cuda_bf16.h>

#include <cstdint>
#include <type_traits>

namespace valley::kernels::cuda {

using Bfloat16 = __nv_bfloat16;

// The most blocks of a grid whose threads loop.
inline std::int64_t max_blocks() { return 4096; }

template <typename... Arguments>
void start(void (*kernel)(Arguments...), dim3 grid, dim3 block,
           const std::type_identity_t<Arguments>&... arguments) {
  kernel<<<grid, block, 0, c10::cuda::getCurrentCUDAStream()>>>(arguments...);
  C10_CUDA_KERNEL_LAUNCH_CHECK();
}

}  // namespace valley::kernels::cuda
