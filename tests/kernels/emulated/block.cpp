#include "kernels/emulated/block.h"

#include <ucontext.h>

#include <cstddef>
#include <memory>
#include <stdexcept>
#include <vector>

namespace valley::testing {

dim3 gridDim, blockDim, blockIdx, threadIdx;

namespace {

constexpr std::size_t kStack = std::size_t{64} << 10;

struct Thread {
  ucontext_t place{};
  std::unique_ptr<char[]> stack = std::make_unique<char[]>(kStack);
  bool ended = false;
};

ucontext_t scheduler;
std::vector<Thread> threads;
std::size_t current;
const std::function<void()>* body;

// A thread of a block lives on as the same thread of the next one.
void enter() {
  for (;;) {
    (*body)();
    threads[current].ended = true;
    wait_for_the_block();
  }
}

void make_threads(std::size_t n) {
  if (threads.size() >= n) return;
  threads = std::vector<Thread>(n);  // anew: a context must stay where it is
  for (Thread& t : threads) {
    ::getcontext(&t.place);
    t.place.uc_stack.ss_sp = t.stack.get();
    t.place.uc_stack.ss_size = kStack;
    ::makecontext(&t.place, enter, 0);
  }
}

dim3 index_in(dim3 block, std::size_t i) {
  const auto n = static_cast<unsigned>(i);
  return {n % block.x, n / block.x % block.y, n / block.x / block.y};
}

void run_block(std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) threads[i].ended = false;
  for (std::size_t ended = 0; ended < n;) {
    for (current = 0; current < n; ++current) {
      threadIdx = index_in(blockDim, current);
      ::swapcontext(&scheduler, &threads[current].place);
      ended += threads[current].ended ? 1 : 0;
    }
    if (ended > 0 && ended < n) throw std::logic_error("not all threads of a block came together");
  }
}

}  // namespace

void wait_for_the_block() { ::swapcontext(&threads[current].place, &scheduler); }

void run_grid(dim3 grid, dim3 block, const std::function<void()>& thread) {
  const std::size_t n = std::size_t{block.x} * block.y * block.z;
  make_threads(n);
  body = &thread;
  gridDim = grid;
  blockDim = block;
  for (std::size_t i = 0; i < std::size_t{grid.x} * grid.y * grid.z; ++i) {
    blockIdx = index_in(grid, i);
    run_block(n);
  }
}

}  // namespace valley::testing
