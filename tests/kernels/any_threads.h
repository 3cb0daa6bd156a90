// Checks that results of kernels do not depend on the number of threads.
#pragma once

#include <ATen/Functions.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <cstddef>
#include <mutex>
#include <set>
#include <thread>
#include <vector>

#include "kernels/parallel.h"

namespace valley::testing {

// Sets the intra-op threads for as long as it lives.
class ThreadCount {
 public:
  explicit ThreadCount(int threads) : before_(at::get_num_threads()) {
    at::set_num_threads(threads);
  }
  ~ThreadCount() { at::set_num_threads(before_); }
  ThreadCount(const ThreadCount&) = delete;
  ThreadCount& operator=(const ThreadCount&) = delete;

 private:
  int before_;
};

// Number of threads that ran a part of a parallel loop.
inline int threads_of_loop(std::int64_t items, std::int64_t grain) {
  std::mutex mutex;
  std::set<std::thread::id> ran;
  parallel_for(0, items, grain, [&](std::int64_t, std::int64_t) {
    const std::scoped_lock lock(mutex);
    ran.insert(std::this_thread::get_id());
  });
  return static_cast<int>(ran.size());
}

// `compute` returns a vector of tensors: compares those of one thread with those of two and three.
template <typename Compute>
void expect_same_for_any_threads(const Compute& compute) {
  std::vector<at::Tensor> one;
  {
    const ThreadCount set(1);
    one = compute();
  }
  for (const int threads : {2, 3}) {
    const ThreadCount set(threads);
    ASSERT_EQ(threads_of_loop(threads, 1), threads);
    const std::vector<at::Tensor> several = compute();
    ASSERT_EQ(one.size(), several.size());
    for (std::size_t i = 0; i < one.size(); ++i)
      EXPECT_TRUE(at::equal(one[i], several[i])) << threads << " threads, tensor " << i;
  }
}

}  // namespace valley::testing
