// What of CUDA's C++ the kernels need beside its keywords: a grid started on the current stream. A
// test puts another file in the place of this one and runs the same kernels on a CPU.
#pragma once

#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAStream.h>
#include <cuda_bf16.h>

#include <type_traits>

namespace valley::kernels::cuda {

using Bfloat16 = __nv_bfloat16;

template <typename... Arguments>
void start(void (*kernel)(Arguments...), dim3 grid, dim3 block,
           const std::type_identity_t<Arguments>&... arguments) {
  kernel<<<grid, block, 0, c10::cuda::getCurrentCUDAStream()>>>(arguments...);
  C10_CUDA_KERNEL_LAUNCH_CHECK();
}

}  // namespace valley::kernels::cuda
