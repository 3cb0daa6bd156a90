#include "sources/modified_time.h"

#include <gtest/gtest.h>

#include <limits>

namespace valley {
namespace {

// Signed overflow would not compile here.
TEST(ModifiedTime, TimesOfAnyYearAreNumbers) {
  static_assert(nanoseconds_of(1, 5) == 1'000'000'005);
  static_assert(nanoseconds_of(-1, 5) == -999'999'995);
  static_assert(nanoseconds_of(std::numeric_limits<std::int64_t>::min(), 7) == 7);
  EXPECT_NE(nanoseconds_of(std::numeric_limits<std::int64_t>::max(), 0),
            nanoseconds_of(std::numeric_limits<std::int64_t>::max(), 1));
}

}  // namespace
}  // namespace valley
