#include "core/philox.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <cstdint>
#include <set>

namespace valley {
namespace {

using Words = std::array<std::uint32_t, 4>;

Words words(std::uint64_t seed, std::uint32_t stream, std::uint64_t position, std::uint32_t block) {
  const PhiloxBlock b = philox(seed, stream, position, block);
  return {b.word[0], b.word[1], b.word[2], b.word[3]};
}

// The known answers of the Random123 distribution (philox4x32, 10 rounds), whose counter words are
// (position low, position high, stream, block) and whose key words are (seed low, seed high).
TEST(Philox, KnownAnswers) {
  EXPECT_EQ(words(0, 0, 0, 0), (Words{0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8}));
  EXPECT_EQ(words(~0ULL, ~0U, ~0ULL, ~0U), (Words{0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD}));
  EXPECT_EQ(words(0x299F31D0A4093822ULL, 0x13198A2E, 0x85A308D3243F6A88ULL, 0x03707344),
            (Words{0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1}));
}

TEST(Philox, EveryPartOfTheCounterAndKeyMatters) {
  const std::set<Words> all = {words(0, 0, 0, 0), words(1, 0, 0, 0), words(1ULL << 32U, 0, 0, 0),
                               words(0, 1, 0, 0), words(0, 0, 1, 0), words(0, 0, 1ULL << 32U, 0),
                               words(0, 0, 0, 1)};
  EXPECT_EQ(all.size(), 7U);
}

TEST(Philox, StreamsKeepTheirNumbers) {
  // Renumbering would silently change the meaning of seeds.
  EXPECT_EQ(static_cast<std::uint32_t>(RandomStream::kWeights), 1U);
  EXPECT_EQ(static_cast<std::uint32_t>(RandomStream::kLatentD), 2U);
  EXPECT_EQ(static_cast<std::uint32_t>(RandomStream::kLatentG), 3U);
  EXPECT_EQ(static_cast<std::uint32_t>(RandomStream::kMirror), 4U);
  EXPECT_EQ(static_cast<std::uint32_t>(RandomStream::kSampleLatent), 5U);
}

TEST(Uniform01, CoversTheHalfOpenIntervalExactly) {
  EXPECT_EQ(uniform01(0), 0.0F);
  EXPECT_EQ(uniform01(0xFF), 0.0F);  // the low eight bits are dropped
  EXPECT_EQ(uniform01(0x100), 0x1p-24F);
  EXPECT_EQ(uniform01(0x80000000U), 0.5F);
  EXPECT_EQ(uniform01(0xFFFFFFFFU), 1.0F - 0x1p-24F);
  EXPECT_LT(uniform01(0xFFFFFFFFU), 1.0F);
}

TEST(Uniform01, IsAMultipleOfTwoToTheMinus24) {
  for (std::uint64_t position = 0; position < 1000; ++position) {
    for (const std::uint32_t word : philox(7, 2, position, 0).word) {
      const float scaled = uniform01(word) * 0x1p24F;
      ASSERT_EQ(scaled, std::trunc(scaled));
      ASSERT_EQ(static_cast<std::uint32_t>(scaled), word >> 8U);
    }
  }
}

// Mean and variance of 2^18 draws, at five standard errors, and a chi-square of 256 bins.
TEST(Uniform01, LooksUniform) {
  constexpr std::uint64_t kBlocks = 1ULL << 16U;
  constexpr double kDraws = 4.0 * static_cast<double>(kBlocks);
  double sum = 0;
  double squares = 0;
  std::array<double, 256> bins{};
  for (std::uint64_t position = 0; position < kBlocks; ++position) {
    for (const std::uint32_t word : philox(42, 5, position, 0).word) {
      const double u = uniform01(word);
      sum += u;
      squares += u * u;
      bins[static_cast<std::size_t>(u * 256)] += 1;
    }
  }
  const double mean = sum / kDraws;
  EXPECT_NEAR(mean, 0.5, 5 * std::sqrt(1.0 / 12 / kDraws));
  EXPECT_NEAR(squares / kDraws - mean * mean, 1.0 / 12, 5 * std::sqrt(1.0 / 180 / kDraws));
  double chi_square = 0;
  for (const double count : bins) chi_square += std::pow(count - kDraws / 256, 2) / (kDraws / 256);
  EXPECT_NEAR(chi_square, 255, 5 * std::sqrt(2.0 * 255));
}

}  // namespace
}  // namespace valley
