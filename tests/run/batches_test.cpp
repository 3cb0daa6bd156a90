#include "run/batches.h"

#include <gtest/gtest.h>

#include <string>

#include "core/error.h"

namespace valley {
namespace {

constexpr std::int64_t kGiB = std::int64_t{1} << 30;

TEST(DeviceCacheChoice, OffMakesNoCache) {
  EXPECT_FALSE(is_cached(Switch::kOff, {1, 0, kGiB}, "cpu"));
}

TEST(DeviceCacheChoice, AutoCachesUpToHalfOfTheRemainingMemory) {
  EXPECT_TRUE(is_cached(Switch::kAuto, {3 * kGiB, 2 * kGiB, 8 * kGiB}, "cpu"));
  EXPECT_FALSE(is_cached(Switch::kAuto, {3 * kGiB + 1, 2 * kGiB, 8 * kGiB}, "cpu"));
  EXPECT_FALSE(is_cached(Switch::kAuto, {1, 9 * kGiB, 8 * kGiB}, "cpu"));
}

TEST(DeviceCacheChoice, OnIsRejectedIfTheDataDoNotFit) {
  EXPECT_TRUE(is_cached(Switch::kOn, {6 * kGiB, 2 * kGiB, 8 * kGiB}, "cpu"));
  try {
    static_cast<void>(is_cached(Switch::kOn, {7 * kGiB, 2 * kGiB, 8 * kGiB}, "cuda:1"));
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::kConfig);
    const std::string text = error.what();
    for (const char* part :
         {"performance.device_cache", "7.0 GiB", "8.0 GiB", "cuda:1", "\"auto\""})
      EXPECT_NE(text.find(part), std::string::npos) << text;
  }
}

TEST(HostCacheChoice, DataSetThatDoesNotFitIsRejected) {
  require_host_room({6 * kGiB, 2 * kGiB, 8 * kGiB}, "n01");
  try {
    require_host_room({7 * kGiB, 2 * kGiB, 8 * kGiB}, "n01");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::kConfig);
    const std::string text = error.what();
    for (const char* part : {"data.cache", "7.0 GiB", "8.0 GiB", "2.0 GiB", "n01", "\"none\""})
      EXPECT_NE(text.find(part), std::string::npos) << text;
  }
}

}  // namespace
}  // namespace valley
