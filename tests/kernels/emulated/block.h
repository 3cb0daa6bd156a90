// A grid of blocks on the calling thread: see kernels/cuda_run.cuh beside this.
#pragma once

#include <cstdint>
#include <functional>

namespace valley::testing {

struct dim3 {
  constexpr dim3(unsigned a = 1, unsigned b = 1, unsigned c = 1) : x(a), y(b), z(c) {}
  unsigned x, y, z;
};

extern dim3 gridDim, blockDim, blockIdx, threadIdx;  // those of the running thread

// Order in which the threads of a block run. A result that depends on it indicates a race.
enum class ThreadOrder { kForward, kReversed, kRandom };
extern ThreadOrder thread_order;

// Maximum blocks of a grid with a grid-stride loop: with few, each thread loops more than once.
extern std::int64_t max_blocks;

// Runs `thread` once for every thread of the grid. Throws std::logic_error if a thread ends while
// others of its block wait at a barrier.
void run_grid(dim3 grid, dim3 block, const std::function<void()>& thread);

// Ends the calling thread's turn.
void wait_for_the_block();

}  // namespace valley::testing
