#include "comm/world.h"

#include <gtest/gtest.h>
#include <mpi.h>

#include <string>

#include "comm/clock_offsets.h"
#include "core/error.h"
#include "ranked_test.h"

namespace valley {
namespace {

using testing::world;

// Message of the Error that every rank must get, or "" without one.
std::string agreement_error(const std::string& what, const std::string& text) {
  try {
    world().require_equal(what, text);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::kConfig);
    return error.what();
  }
  return "";
}

TEST(World, StartsMpiOnlyUnderALauncher) {
  int initialized = -1;
  MPI_Initialized(&initialized);
  EXPECT_EQ(initialized, launch_info().launched ? 1 : 0);
  EXPECT_EQ(world().host().device(), at::Device(at::kCPU));
}

TEST(World, GathersStringsOfAnyLengthInOrder) {
  const int rank = world().rank();
  const auto texts = world().gather(std::string(static_cast<std::size_t>(rank * 1000), 'x') +
                                    std::string("\0end", 4) + std::to_string(rank));
  ASSERT_EQ(texts.size(), static_cast<std::size_t>(world().size()));
  for (std::size_t r = 0; r < texts.size(); ++r) {
    EXPECT_EQ(texts[r], std::string(r * 1000, 'x') + std::string("\0end", 4) + std::to_string(r));
  }
  EXPECT_EQ(world().gather(""), std::vector<std::string>(texts.size()));
  const auto some = world().gather(rank == 0 ? "" : "only others");
  EXPECT_EQ(some[0], "");
  EXPECT_EQ(some.back(), world().size() == 1 ? "" : "only others");
}

TEST(World, BroadcastsRankZerosString) {
  EXPECT_EQ(world().broadcast("from " + std::to_string(world().rank())), "from 0");
  EXPECT_EQ(world().broadcast(world().rank() == 0 ? "" : "ignored"), "");
  const std::string longer(5 << 20, 'y');
  EXPECT_EQ(world().broadcast(world().rank() == 0 ? longer : "short"), longer);
}

TEST(World, RequireEqualPassesForEqualText) {
  EXPECT_EQ(agreement_error("the config", "a\nb\n"), "");
  EXPECT_EQ(agreement_error("the config", ""), "");
}

TEST(World, RequireEqualNamesTheOddRankAndTheFirstLineThatDiffers) {
  if (world().size() < 3) GTEST_SKIP() << "needs a majority";
  const bool odd = world().rank() == 1;
  const std::string text = "[train]\nseed = " + std::string(odd ? "2" : "1") + "\nsteps = 5\n";
  const std::string message = agreement_error("the config", text);
  EXPECT_NE(
      message.find("the config differs between the ranks: rank 1 does not have what ranks 0, 2"),
      std::string::npos)
      << message;
  EXPECT_NE(message.find("first difference in line 2: `seed = 1` there, `seed = 2` on rank 1"),
            std::string::npos)
      << message;
}

TEST(World, RequireEqualNamesRankZeroWhenItDiffers) {
  if (world().size() < 3) GTEST_SKIP() << "needs a majority";
  const std::string message = agreement_error("the data", world().rank() == 0 ? "a\nb" : "a");
  EXPECT_NE(message.find("rank 0 does not have what ranks 1, 2"), std::string::npos) << message;
  EXPECT_NE(message.find("line 2: nothing there, `b` on rank 0"), std::string::npos) << message;
}

TEST(World, RequireEqualNamesBothOfTwo) {
  if (world().size() != 2) GTEST_SKIP() << "needs two ranks";
  const std::string message =
      agreement_error("the data", std::string(200, 'a') + std::to_string(world().rank()));
  EXPECT_NE(message.find("rank 1 does not have what rank 0 has"), std::string::npos) << message;
  EXPECT_EQ(message.find(std::string(81, 'a')), std::string::npos) << "long lines are cut";
}

TEST(World, NamesRankAndHost) {
  EXPECT_EQ(this_rank(), "rank " + std::to_string(world().rank()) + " on host " + host_name());
  EXPECT_FALSE(host_name().empty());
}

TEST(World, BroadcastsTheTextOfAnyRank) {
  for (int root = 0; root < world().size(); ++root) {
    const std::string own = std::string(static_cast<std::size_t>(10 * world().rank()), 'x') + "end";
    const std::string expected = std::string(static_cast<std::size_t>(10 * root), 'x') + "end";
    EXPECT_EQ(world().broadcast(own, root), expected);
  }
}

TEST(ClockOffsets, RanksOfOneHostShareTheClock) {
  const std::vector<ClockOffset> found = measure_clock_offsets(world().host());
  EXPECT_EQ(found.size(), world().size());
  for (const ClockOffset& offset : found) {
    EXPECT_EQ(offset.seconds, 0);
    EXPECT_EQ(offset.error, 0);
  }
}

}  // namespace
}  // namespace valley
