// A grid of blocks on the calling thread: see kernels/cuda_run.cuh beside this.
#pragma once

#include <functional>

namespace valley::testing {

struct dim3 {
  constexpr dim3(unsigned a = 1, unsigned b = 1, unsigned c = 1) : x(a), y(b), z(c) {}
  unsigned x, y, z;
};

extern dim3 gridDim, blockDim, blockIdx, threadIdx;  // of the thread whose turn it is

// Runs `thread` once for every thread of the grid. Throws std::logic_error where a thread ends
// while others of its block wait for it.
void run_grid(dim3 grid, dim3 block, const std::function<void()>& thread);

// Ends the calling thread's turn.
void wait_for_the_block();

}  // namespace valley::testing
