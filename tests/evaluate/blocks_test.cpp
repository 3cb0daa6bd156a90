#include "evaluate/blocks.h"

#include <ATen/Parallel.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/sort.h>
#include <gtest/gtest.h>

#include <atomic>
#include <set>
#include <stdexcept>

#include "evaluate/radix_sort.h"
#include "evaluate/team_of_one.h"

namespace valley {
namespace {

TEST(Share, CoversEveryUnitOnceInRankOrder) {
  for (const std::int64_t units : {1, 2, 5, 31, 64}) {
    for (const int size : {1, 2, 3, 8}) {
      std::int64_t next = 0;
      for (int rank = 0; rank < size; ++rank) {
        const Share share = compute_share(units, rank, size);
        EXPECT_EQ(share.first, next);
        next = share.last;
        // Where rows are gathered: rank r begins at r times the first rank's number.
        if (share.count() > 0) {
          EXPECT_EQ(share.first, rank * compute_share(units, 0, size).last);
        }
      }
      EXPECT_EQ(next, units);
    }
  }
}

TEST(ForEachUnit, CallsEachUnitOnceWithSingleThreadedLibTorch) {
  for (const int threads : {1, 3}) {
    const TeamOfOne one(threads);
    const SingleThreaded single;
    std::vector<std::atomic<int>> calls(100);
    std::atomic<int> wide = 0;
    for_each_unit(one.team, "", {10, 90}, [&](std::int64_t unit) {
      ++calls[static_cast<std::size_t>(unit)];
      if (at::get_num_threads() != 1) ++wide;
    });
    for (std::size_t i = 0; i < calls.size(); ++i) EXPECT_EQ(calls[i], i >= 10 && i < 90 ? 1 : 0);
    EXPECT_EQ(wide, 0);
  }
}

TEST(ForEachUnit, RethrowsTheExceptionOfAThread) {
  const TeamOfOne one(3);
  EXPECT_THROW(for_each_unit(one.team, "", {0, 50},
                             [](std::int64_t unit) {
                               if (unit == 20) throw std::out_of_range("twenty");
                             }),
               std::out_of_range);
}

TEST(ForEachUnit, ReportsProgress) {
  TeamOfOne one(1);
  std::vector<double> shares;
  one.team.progress = [&](const std::string& doing, double share) {
    EXPECT_EQ(doing, "work");
    shares.push_back(share);
  };
  for_each_unit(one.team, "work", {0, 4}, [](std::int64_t) {});
  EXPECT_EQ(shares, (std::vector<double>{0.25, 0.5, 0.75, 1}));
}

TEST(SingleThreaded, RestoresTheNumberOfThreads) {
  const int before = at::get_num_threads();
  {
    const SingleThreaded single;
    EXPECT_EQ(at::get_num_threads(), 1);
  }
  EXPECT_EQ(at::get_num_threads(), before);
}

TEST(RadixSort, SortsLikeStdSort) {
  at::Tensor values = at::randn({10'001});
  float* data = values.mutable_data_ptr<float>();
  data[0] = 0.0F;
  data[1] = -0.0F;
  data[2] = std::numeric_limits<float>::infinity();
  data[3] = -std::numeric_limits<float>::infinity();
  data[4] = std::numeric_limits<float>::denorm_min();
  data[5] = data[6] = 1e30F;
  const at::Tensor expected = std::get<0>(at::sort(values));
  std::vector<std::uint32_t> scratch;
  radix_sort({data, static_cast<std::size_t>(values.numel())}, scratch);
  EXPECT_TRUE(values.equal(expected));
}

}  // namespace
}  // namespace valley
