#include "kernels/host_memory.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <cstdint>
#include <vector>

namespace valley {
namespace {

// Page faults while 64 MiB are written and freed.
std::int64_t faults_of_a_pass() {
  struct rusage before {};
  struct rusage after {};
  ::getrusage(RUSAGE_SELF, &before);
  { const std::vector<char> memory(std::size_t{64} << 20, 1); }
  ::getrusage(RUSAGE_SELF, &after);
  return after.ru_minflt - before.ru_minflt;
}

TEST(HostMemory, IsKeptForLaterAllocations) {
#ifndef __GLIBC__
  GTEST_SKIP() << "a C library without these settings";
#endif
  keep_freed_memory();
  faults_of_a_pass();
  EXPECT_LT(faults_of_a_pass(), 100);
}

}  // namespace
}  // namespace valley
