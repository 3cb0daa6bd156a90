#include "flight/stack_traces.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>

namespace valley {
namespace {

std::atomic<bool> release_spinner = false;

[[gnu::noinline]] void spin_in_a_named_function() {
  while (!release_spinner) {
  }
}

bool contains(const std::vector<ThreadTrace>& traces, const std::string& text) {
  return std::ranges::any_of(traces, [&](const ThreadTrace& trace) {
    return std::ranges::any_of(trace.frames, [&](const std::string& frame) {
      return frame.find(text) != std::string::npos;
    });
  });
}

TEST(StackTraces, NameFunctionsThatAreNotExported) {
  prepare_stack_traces();
  std::thread spinner(spin_in_a_named_function);
  std::mutex mutex;
  std::condition_variable changed;
  bool ended = false;
  std::thread sleeper([&] {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return ended; });
  });
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  const std::vector<ThreadTrace> traces = stack_traces();
  release_spinner = true;
  {
    const std::lock_guard lock(mutex);
    ended = true;
  }
  changed.notify_all();
  spinner.join();
  sleeper.join();
  EXPECT_GE(traces.size(), 3U);
  EXPECT_TRUE(contains(traces, "spin_in_a_named_function"));
  EXPECT_TRUE(contains(traces, "pthread_cond_wait"));
  EXPECT_TRUE(contains(traces, "NameFunctionsThatAreNotExported"));
}

}  // namespace
}  // namespace valley
