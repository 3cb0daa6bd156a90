#include "kernels/parallel.h"

#include <ATen/Parallel.h>
#include <gtest/gtest.h>
#include <link.h>

#include <algorithm>
#include <atomic>
#include <set>
#include <stdexcept>
#include <string_view>
#include <thread>
#include <vector>

#include "any_threads.h"
#include "kernels/threads.h"

namespace valley {
namespace {

using testing::ThreadCount;
using testing::threads_of_loop;

TEST(ParallelFor, RunsOnAsManyThreadsAsLibTorchHas) {
  for (const int threads : {1, 2, 3}) {
    const ThreadCount set(threads);
    EXPECT_EQ(threads_of_loop(threads, 1), threads);
  }
}

TEST(ParallelFor, CallsEachItemOnce) {
  for (const int threads : {1, 2, 3}) {
    const ThreadCount set(threads);
    for (const std::int64_t items : {0, 1, 2, 5, 100}) {
      for (const std::int64_t grain : {1, 3, 1000}) {
        std::vector<std::atomic<int>> calls(static_cast<std::size_t>(items));
        parallel_for(10, 10 + items, grain, [&](std::int64_t first, std::int64_t last) {
          for (std::int64_t i = first; i < last; ++i) ++calls[static_cast<std::size_t>(i - 10)];
        });
        EXPECT_TRUE(std::all_of(calls.begin(), calls.end(), [](int n) { return n == 1; }))
            << threads << " threads, " << items << " items, grain " << grain;
      }
    }
  }
}

TEST(ParallelFor, WorkOfOneGrainStaysOnTheCallingThread) {
  const ThreadCount set(3);
  std::thread::id ran;
  parallel_for(0, 100, 100, [&](std::int64_t, std::int64_t) { ran = std::this_thread::get_id(); });
  EXPECT_EQ(ran, std::this_thread::get_id());
  EXPECT_EQ(threads_of_loop(100, parallel_grain(kParallelElements / 100)), 1);
  EXPECT_EQ(threads_of_loop(3, parallel_grain(kParallelElements)), 3);
}

TEST(ParallelFor, ExceptionOfAnotherThreadIsRethrown) {
  const ThreadCount set(2);
  EXPECT_THROW(parallel_for(0, 2, 1,
                            [](std::int64_t first, std::int64_t) {
                              if (first == 1) throw std::runtime_error("second range");
                            }),
               std::runtime_error);
}

TEST(ParallelFor, NestedLoopRunsOnTheThreadOfTheOuterOne) {
  const ThreadCount set(2);
  std::atomic<int> inner = 0;
  parallel_for(0, 2, 1, [&](std::int64_t, std::int64_t) { inner += threads_of_loop(2, 1); });
  EXPECT_EQ(inner, 2);
}

TEST(ParallelFor, ThreadsOfAnEvaluationStartNoTeam) {
  const ThreadCount set(2);
  const SingleThreaded alone;
  std::atomic<int> wide = 0;
  for_each_on_threads(0, 8, 2, [&](std::int64_t) { wide += threads_of_loop(2, 1) > 1 ? 1 : 0; });
  EXPECT_EQ(wide, 0);
}

TEST(ParallelFor, LoopsOfSeveralThreadsAtOnceFinish) {
  const ThreadCount set(2);
  std::atomic<std::int64_t> sum = 0;
  {
    std::vector<std::jthread> callers;
    for (int t = 0; t < 3; ++t) {
      callers.emplace_back([&] {
        for (int i = 0; i < 200; ++i)
          parallel_for(0, 4, 1,
                       [&](std::int64_t first, std::int64_t last) { sum += last - first; });
      });
    }
  }
  EXPECT_EQ(sum, 3 * 200 * 4);
}

// Two would have a pool of threads each, twice as many as there are cores.
TEST(ParallelFor, ProcessHasOneOpenMpLibrary) {
  std::set<std::string_view> libraries;
  ::dl_iterate_phdr(
      [](struct dl_phdr_info* info, std::size_t, void* found) {
        const std::string_view path = info->dlpi_name;
        for (const char* name : {"/libgomp", "/libomp", "/libiomp"}) {
          if (path.find(name) != std::string_view::npos)
            static_cast<std::set<std::string_view>*>(found)->insert(path);
        }
        return 0;
      },
      &libraries);
  EXPECT_EQ(libraries.size(), 1U);
}

}  // namespace
}  // namespace valley
