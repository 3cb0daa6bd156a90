// Sum over the threads of a block.
#pragma once

#include "kernels/cuda_launch.cuh"

namespace valley::kernels::cuda {

// Sum of the values of a block's kThreads threads, in a fixed order; returned in thread 0.
__device__ inline double sum_of_block(double own) {
  __shared__ double shared[kThreads];
  shared[threadIdx.x] = own;
  for (unsigned half = kThreads / 2; half > 0; half /= 2) {
    __syncthreads();
    if (threadIdx.x < half) shared[threadIdx.x] += shared[threadIdx.x + half];
  }
  return shared[0];
}

}  // namespace valley::kernels::cuda
