#include "kernels/emulated/block.h"

#include <ucontext.h>

#include <algorithm>
#include <cstddef>
#include <memory>
#include <numeric>
#include <random>
#include <stdexcept>
#include <vector>

namespace valley::testing {

dim3 gridDim, blockDim, blockIdx, threadIdx;
ThreadOrder thread_order = ThreadOrder::kForward;
std::int64_t max_blocks = 4096;

namespace {

constexpr std::size_t kStack = std::size_t{64} << 10;

// The buffer of __builtin_setjmp, which saves fewer registers than setjmp: barriers take half the
// time.
using Place = void* [5];

// A stack on which threads run one after the other. A thread that waits at a barrier keeps its
// stack, and later threads run on another one: kernels without barriers need only one stack.
struct Stack {
  ucontext_t start{};
  bool has_started = false;
  Place place{};
  std::unique_ptr<char[]> memory = std::make_unique<char[]>(kStack);
  dim3 thread;  // waiting thread
};

Place scheduler;
std::vector<std::unique_ptr<Stack>> stacks;
std::vector<Stack*> idle, waiting;
std::vector<Stack*> resumed;  // stacks past the barrier; the next one is at `next_resumed`
std::size_t next_resumed = 0;
Stack* current;
std::vector<std::size_t> turns;  // the threads of a block, in the order in which they start
std::size_t started, ended;      // number of threads of the current block
const std::function<void()>* body;

dim3 index_in(dim3 block, std::size_t i) {
  const auto n = static_cast<unsigned>(i);
  return {n % block.x, n / block.x % block.y, n / block.x / block.y};
}

bool take_resumed() {
  if (next_resumed == resumed.size()) return false;
  current = resumed[next_resumed++];
  threadIdx = current->thread;
  return true;
}

// __builtin_longjmp must be in another function than the __builtin_setjmp that it returns to.
[[noreturn, gnu::noinline]] void jump(Place& place) { __builtin_longjmp(place, 1); }

// Switches to the next thread past the barrier, else to the scheduler, until it is this stack's
// turn again. Uses jumps, because swapcontext makes a system call each time.
[[gnu::noinline]] void leave(Stack& own) {
  if (__builtin_setjmp(own.place) == 0) jump(take_resumed() ? current->place : scheduler);
}

void run_threads() {
  for (;;) {
    while (started < turns.size()) {
      threadIdx = index_in(blockDim, turns[started++]);
      (*body)();
      ++ended;
    }
    Stack& own = *current;
    idle.push_back(&own);
    leave(own);
  }
}

Stack* make_stack() {
  Stack* stack = stacks.emplace_back(std::make_unique<Stack>()).get();
  ::getcontext(&stack->start);
  stack->start.uc_stack.ss_sp = stack->memory.get();
  // Different offsets, so that the stacks do not use the same cache lines.
  stack->start.uc_stack.ss_size = kStack - stacks.size() % 64 * 192;
  ::makecontext(&stack->start, run_threads, 0);
  return stack;
}

// Runs until every runnable thread has had its turn.
[[gnu::noinline]] void go_on_with_current() {
  if (__builtin_setjmp(scheduler) != 0) return;
  if (current->has_started) jump(current->place);
  current->has_started = true;
  ::setcontext(&current->start);
}

void put_in_order(std::size_t n) {
  static std::mt19937 random(1);
  turns.resize(n);
  std::iota(turns.begin(), turns.end(), std::size_t{0});
  if (thread_order == ThreadOrder::kReversed) std::ranges::reverse(turns);
  if (thread_order == ThreadOrder::kRandom) std::ranges::shuffle(turns, random);
}

void run_block() {
  started = ended = 0;
  while (started < turns.size()) {
    if (idle.empty()) idle.push_back(make_stack());
    current = idle.back();
    idle.pop_back();
    go_on_with_current();
  }
  while (ended < turns.size()) {
    if (ended > 0)
      throw std::logic_error("a thread ended while others of its block wait at a barrier");
    resumed.swap(waiting);
    waiting.clear();
    next_resumed = 0;
    if (take_resumed()) go_on_with_current();
  }
}

}  // namespace

void wait_for_the_block() {
  Stack& own = *current;
  own.thread = threadIdx;
  waiting.push_back(&own);
  leave(own);
}

void run_grid(dim3 grid, dim3 block, const std::function<void()>& thread) {
  body = &thread;
  gridDim = grid;
  blockDim = block;
  put_in_order(std::size_t{block.x} * block.y * block.z);
  for (std::size_t i = 0; i < std::size_t{grid.x} * grid.y * grid.z; ++i) {
    blockIdx = index_in(grid, i);
    run_block();
  }
}

}  // namespace valley::testing
