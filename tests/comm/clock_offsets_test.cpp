#include "comm/clock_offsets.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

namespace valley {
namespace {

// Barriers of two ranks, the clock of the second of which is `offset` ahead; ranks enter and leave
// with random delays of up to `delay`.
struct Barriers {
  std::vector<BarrierTimes> zero, other;
};
Barriers make_barriers(double offset, double delay, int count) {
  std::mt19937 random(7);
  std::uniform_real_distribution<double> wait(0, delay);
  Barriers made;
  double now = 1000;
  for (int i = 0; i < count; ++i, now += 1) {
    const double a = now + wait(random);
    const double b = now + wait(random);
    const double complete = std::max(a, b);
    made.zero.push_back({a, complete + wait(random)});
    made.other.push_back({b + offset, complete + wait(random) + offset});
  }
  return made;
}

TEST(ClockOffset, LiesWithinItsBoundForAnyDelays) {
  for (const double offset : {-3600.5, 0.25, 12345.0}) {
    const Barriers made = make_barriers(offset, 1e-3, 64);
    const ClockOffset found = clock_offset(made.zero, made.other, false);
    EXPECT_LE(std::abs(found.seconds - offset), found.error);
    EXPECT_LT(found.error, 1e-3);
  }
}

TEST(ClockOffset, MoreBarriersBoundItMoreTightly) {
  const Barriers few = make_barriers(5, 1e-3, 1);
  const Barriers many = make_barriers(5, 1e-3, 64);
  EXPECT_LT(clock_offset(many.zero, many.other, false).error,
            0.5 * clock_offset(few.zero, few.other, false).error);
}

TEST(ClockOffset, IsExactlyZeroForOneClock) {
  const Barriers made = make_barriers(0, 1e-3, 64);
  const ClockOffset found = clock_offset(made.zero, made.other, true);
  EXPECT_EQ(found.seconds, 0);
  EXPECT_EQ(found.error, 0);
}

TEST(ClockOffset, OfADifferentTimeNamespaceOnOneHostIsMeasured) {
  const Barriers made = make_barriers(3600, 1e-3, 64);
  EXPECT_NEAR(clock_offset(made.zero, made.other, true).seconds, 3600, 1e-3);
}

}  // namespace
}  // namespace valley
