#include "kernels/device.h"

#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

#include "kernels/openmp_threads.h"
#include "support/no_threads.h"

namespace valley {
namespace {

TEST(Device, HostMemoryIsPlausible) {
  const DeviceMemory memory = device_memory(at::kCPU);
  EXPECT_GT(memory.total, std::int64_t{1} << 28);
  EXPECT_GT(memory.peak, std::int64_t{1} << 20);
  EXPECT_LE(memory.free, memory.total);
}

TEST(Device, ArithmeticSetsTheThreads) {
  const int before = at::get_num_threads();
  set_arithmetic({Precision::kFp32, true, 1});
  EXPECT_EQ(at::get_num_threads(), 1);
  set_arithmetic({Precision::kFp32, false, before});
  EXPECT_EQ(at::get_num_threads(), before);
}

TEST(Device, ThreadsRefusedByTheSystemAreNotSet) {
  const int before = at::get_num_threads();
  {
    const NoThreads none;
    EXPECT_EQ(granted_threads(4).count, 1);
    EXPECT_NE(granted_threads(4).limit.find("ulimit -u"), std::string::npos);
    EXPECT_TRUE(threads_are_refused());
    ::testing::internal::CaptureStderr();
    EXPECT_EQ(set_arithmetic({Precision::kFp32, false, 4}), 1);
    EXPECT_NE(::testing::internal::GetCapturedStderr().find("1 of 4 threads are used"),
              std::string::npos);
  }
  EXPECT_FALSE(threads_are_refused());
  EXPECT_EQ(granted_threads(4).count, 4);
  EXPECT_EQ(granted_threads(4).limit, "");
  EXPECT_EQ(granted_threads(0).count, 1);
  set_arithmetic({Precision::kFp32, false, before});
}

TEST(Device, ThreadsAreSharedByTheRanksOfAHost) {
  EXPECT_GE(threads_for_rank(1), 1);
  EXPECT_EQ(threads_for_rank(1 << 20), 1);
  EXPECT_LE(threads_for_rank(2), threads_for_rank(1));
}

TEST(Device, OmpNumThreadsDecidesTheThreads) {
  for (const char* text : {"3", "3,2"}) {
    ASSERT_EQ(::setenv("OMP_NUM_THREADS", text, 1), 0);
    EXPECT_EQ(threads_for_rank(1 << 20), 3) << text;
  }
  for (const char* text : {"", "0", "-2", "many", "3x"}) {
    ASSERT_EQ(::setenv("OMP_NUM_THREADS", text, 1), 0);
    EXPECT_EQ(threads_for_rank(1 << 20), 1) << text;
  }
  ASSERT_EQ(::unsetenv("OMP_NUM_THREADS"), 0);
}

TEST(Device, VersionsNameLibTorch) {
  EXPECT_NE(device_versions().find("LibTorch 2."), std::string::npos);
}

}  // namespace
}  // namespace valley
