#include "core/start_threads.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "support/no_threads.h"

namespace valley {
namespace {

TEST(StartThreads, StartsTheRequestedNumber) {
  std::atomic<int> ran = 0;
  std::vector<std::jthread> threads;
  EXPECT_EQ(start_threads(threads, 3, [&] { ++ran; }), 3);
  EXPECT_EQ(threads.size(), 3);
  threads.clear();
  EXPECT_EQ(ran, 3);
}

TEST(StartThreads, ReturnsTheNumberThatTheSystemGranted) {
  const NoThreads none;
  std::vector<std::jthread> threads;
  EXPECT_EQ(start_threads(threads, 3, [] {}), 0);
  EXPECT_TRUE(threads.empty());
}

TEST(StartThread, ErrorNamesTheWorkWhenTheSystemRefuses) {
  const NoThreads none;
  try {
    start_thread("reductions", [] {}).join();
    FAIL() << "a thread was started";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::kOutOfMemory);
    EXPECT_THAT(error.what(), testing::HasSubstr("a thread for reductions"));
    EXPECT_THAT(error.what(), testing::HasSubstr("ulimit -u"));
  }
}

}  // namespace
}  // namespace valley
