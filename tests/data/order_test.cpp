#include "data/order.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <map>
#include <numeric>
#include <set>
#include <stdexcept>
#include <vector>

#include "core/error.h"

namespace valley {
namespace {

constexpr OrderKind kKinds[] = {OrderKind::kGlobal, OrderKind::kWindow};

std::vector<std::uint64_t> sequence(const Order& order, std::uint64_t first, std::uint64_t count) {
  std::vector<std::uint64_t> images(count);
  for (std::uint64_t i = 0; i < count; ++i) images[i] = order.image_at(first + i);
  return images;
}

bool is_permutation_of_all(const std::vector<std::uint64_t>& images) {
  std::vector<bool> seen(images.size());
  for (const auto image : images) {
    if (image >= images.size() || seen[image]) return false;
    seen[image] = true;
  }
  return true;
}

// Standard deviations by which the chi-squared statistic of `counts` for equal probabilities
// exceeds its mean.
double chi_squared_excess(const std::vector<std::uint64_t>& counts) {
  const double total = static_cast<double>(std::accumulate(counts.begin(), counts.end(), 0ULL));
  const double expected = total / static_cast<double>(counts.size());
  double chi_squared = 0;
  for (const auto count : counts) {
    chi_squared += std::pow(static_cast<double>(count) - expected, 2) / expected;
  }
  const double freedom = static_cast<double>(counts.size() - 1);
  return (chi_squared - freedom) / std::sqrt(2 * freedom);
}

TEST(FeistelPermutation, IsABijection) {
  for (std::uint64_t n = 1; n <= 2000; ++n) {
    const FeistelPermutation permutation(n, 0x1234 + n);
    std::vector<std::uint64_t> images(n);
    for (std::uint64_t i = 0; i < n; ++i) images[i] = permutation(i);
    ASSERT_TRUE(is_permutation_of_all(images)) << "n = " << n;
  }
}

TEST(FeistelPermutation, StaysInRangeForHugeSizes) {
  for (const auto n : {(1ULL << 32U) - 1, 1ULL << 32U, (1ULL << 32U) + 1, 1ULL << 62U,
                       (1ULL << 63U) + 12345, ~0ULL}) {
    const FeistelPermutation permutation(n, 99);
    std::set<std::uint64_t> images;
    for (std::uint64_t i = 0; i < 1000; ++i) {
      const auto image = permutation(i);
      ASSERT_LT(image, n);
      images.insert(image);
      images.insert(permutation(n - 1 - i));
    }
    EXPECT_EQ(images.size(), 2000U) << "n = " << n;
  }
}

TEST(FeistelPermutation, RejectsIndicesOutOfRange) {
  EXPECT_THROW(FeistelPermutation(0, 1), std::logic_error);
  EXPECT_THROW(static_cast<void>(FeistelPermutation(8, 1)(8)), std::logic_error);
}

TEST(Order, EachEpochHoldsEachImageOnce) {
  for (const auto kind : kKinds) {
    for (std::uint64_t n = 1; n <= 2000; ++n) {
      const Order order(7, n, kind);
      for (const std::uint64_t epoch : {0, 5}) {
        ASSERT_TRUE(is_permutation_of_all(sequence(order, epoch * n, n)))
            << "n = " << n << ", epoch " << epoch << ", kind " << static_cast<int>(kind);
      }
    }
  }
}

TEST(Order, EachEpochHoldsEachImageOnceWithSeveralWindows) {
  constexpr std::uint64_t kWindow = 16384;
  constexpr std::uint64_t kSizes[] = {
      kWindow - 1, kWindow,          kWindow + 1,      24575,  24576,  24608, 2 * kWindow,
      40961,       5 * kWindow + 31, 5 * kWindow + 33, 202599, 1281167};
  for (const auto kind : kKinds) {
    for (const std::uint64_t n : kSizes) {
      const Order order(n, n, kind);
      for (const std::uint64_t epoch : {0, 1}) {
        ASSERT_TRUE(is_permutation_of_all(sequence(order, epoch * n, n)))
            << "n = " << n << ", epoch " << epoch << ", kind " << static_cast<int>(kind);
      }
    }
  }
}

TEST(Order, RejectsAnEmptyDataSet) {
  EXPECT_THROW(Order(1, 0, OrderKind::kGlobal), std::logic_error);
}

// Two independent permutations agree at one position on average.
TEST(Order, EpochsAndSeedsDiffer) {
  constexpr std::uint64_t kImages = 10000;
  for (const auto kind : kKinds) {
    const Order order(1, kImages, kind);
    const Order other_seed(2, kImages, kind);
    const auto first = sequence(order, 0, kImages);
    const auto agreeing = [&](const std::vector<std::uint64_t>& other) {
      std::size_t count = 0;
      for (std::size_t i = 0; i < first.size(); ++i) count += first[i] == other[i] ? 1 : 0;
      return count;
    };
    for (std::uint64_t epoch = 1; epoch <= 20; ++epoch) {
      EXPECT_LT(agreeing(sequence(order, epoch * kImages, kImages)), 10U) << "epoch " << epoch;
      EXPECT_LT(agreeing(sequence(other_seed, epoch * kImages, kImages)), 10U) << "epoch " << epoch;
    }
    EXPECT_LT(agreeing(sequence(other_seed, 0, kImages)), 10U);
    EXPECT_EQ(first, sequence(Order(1, kImages, kind), 0, kImages));
  }
}

TEST(Order, AllOrdersOfSixImagesAreEquallyLikely) {
  constexpr std::uint64_t kImages = 6;
  for (const auto kind : kKinds) {
    const Order order(3, kImages, kind);
    std::map<std::vector<std::uint64_t>, std::uint64_t> times;
    for (std::uint64_t epoch = 0; epoch < 36000; ++epoch) {
      ++times[sequence(order, epoch * kImages, kImages)];
    }
    ASSERT_EQ(times.size(), 720U);  // 6!
    std::vector<std::uint64_t> counts;
    for (const auto& [images, count] : times) counts.push_back(count);
    EXPECT_LT(std::abs(chi_squared_excess(counts)), 5);
  }
}

TEST(Order, ImagesAreEquallyLikelyAtEveryPosition) {
  for (const auto kind : kKinds) {
    for (const std::uint64_t n : {5, 16, 33, 64, 100, 257}) {
      for (const std::uint64_t place : {std::uint64_t{0}, n / 2, n - 1}) {
        std::vector<std::uint64_t> over_epochs(n);
        std::vector<std::uint64_t> over_seeds(n);
        for (std::uint64_t i = 0; i < 150 * n; ++i) {
          ++over_epochs[Order(11, n, kind).image_at(i * n + place)];
          ++over_seeds[Order(i, n, kind).image_at(place)];
        }
        EXPECT_LT(std::abs(chi_squared_excess(over_epochs)), 5) << "n " << n << " place " << place;
        EXPECT_LT(std::abs(chi_squared_excess(over_seeds)), 5) << "n " << n << " place " << place;
      }
    }
  }
}

// Several windows, blocks and a remainder: the image at a position is equally likely in equal parts
// of the data.
TEST(Order, WindowsDrawFromAllOfTheData) {
  constexpr std::uint64_t kImages = 3 * 16384 + 17;
  constexpr std::uint64_t kParts = 50;
  for (const std::uint64_t place : {std::uint64_t{0}, kImages / 2, kImages - 1}) {
    std::vector<std::uint64_t> counts(kParts);
    const Order order(5, kImages, OrderKind::kWindow);
    for (std::uint64_t epoch = 0; epoch < 50000; ++epoch) {
      ++counts[order.image_at(epoch * kImages + place) * kParts / kImages];
    }
    EXPECT_LT(std::abs(chi_squared_excess(counts)), 5) << "place " << place;
  }
}

// Differences (mod n) of images `lag` positions apart in a random order are uniform on 1 .. n-1.
TEST(Order, SuccessiveImagesAreUnrelated) {
  for (const std::uint64_t n : {9, 16, 50, 100, 1000}) {
    const Order order(17, n, OrderKind::kGlobal);
    for (const std::uint64_t lag : {1, 2, 4}) {
      std::vector<std::uint64_t> differences(n - 1);
      for (std::uint64_t p = 0; p + lag < 400 * n; ++p) {
        if (p % n + lag >= n) continue;
        ++differences[(order.image_at(p + lag) + n - order.image_at(p)) % n - 1];
      }
      EXPECT_LT(chi_squared_excess(differences), 6) << "n " << n << ", lag " << lag;
    }
  }
}

TEST(Order, PositionAndImageAreUncorrelated) {
  constexpr std::uint64_t kImages = 100000;
  const Order order(23, kImages, OrderKind::kGlobal);
  for (std::uint64_t epoch = 0; epoch < 3; ++epoch) {
    const auto images = sequence(order, epoch * kImages, kImages);
    const double middle = (kImages - 1) / 2.0;
    double with_place = 0;
    double with_next = 0;
    double variance = 0;
    for (std::size_t i = 0; i < kImages; ++i) {
      const double x = static_cast<double>(images[i]) - middle;
      variance += x * x;
      with_place += x * (static_cast<double>(i) - middle);
      if (i + 1 < kImages) with_next += x * (static_cast<double>(images[i + 1]) - middle);
    }
    // The standard deviation of a sample correlation is 1 / sqrt(100,000) = 0.003.
    EXPECT_LT(std::abs(with_place / variance), 0.015);
    EXPECT_LT(std::abs(with_next / variance), 0.015);
  }
}

TEST(Order, BatchesAcrossEpochsCoverAllImages) {
  constexpr std::uint64_t kImages = 101;
  constexpr std::uint64_t kBatch = 16;  // 16 epochs are 101 batches
  for (const auto kind : kKinds) {
    const Order order(31, kImages, kind);
    std::vector<int> seen(kImages);
    for (std::uint64_t step = 0; step < kImages; ++step) {
      for (std::uint64_t row = 0; row < kBatch; ++row) ++seen[order.image_at(step * kBatch + row)];
    }
    EXPECT_EQ(std::count(seen.begin(), seen.end(), 16), 101);
  }
}

// A window of 16,384 positions reads only 512 blocks of 32 adjacent images, so that disks and page
// caches read sequentially; the global order touches nearly all blocks.
TEST(Order, WindowTouchesFewBlocks) {
  constexpr std::uint64_t kWindow = 16384;
  constexpr std::uint64_t kImages = 20 * kWindow + 13;
  const auto touched = [](OrderKind kind, std::uint64_t epoch, std::uint64_t window) {
    const Order order(41, kImages, kind);
    // A block of the rotated grid is read as one run of 32, at any start.
    auto images = sequence(order, epoch * kImages + window * kWindow, kWindow);
    std::sort(images.begin(), images.end());
    std::size_t runs = 1;
    for (std::size_t i = 1; i < images.size(); ++i) {
      runs += images[i] != images[i - 1] + 1 ? 1 : 0;
    }
    return runs;
  };
  for (const std::uint64_t epoch : {0, 1, 2}) {
    for (const std::uint64_t window : {0, 7, 19}) {
      EXPECT_LE(touched(OrderKind::kWindow, epoch, window), 513U);
      EXPECT_GT(touched(OrderKind::kGlobal, epoch, window), 15000U);
    }
  }
}

TEST(Order, BlockBordersChangeWithTheEpoch) {
  constexpr std::uint64_t kImages = 20 * 16384;
  std::set<std::uint64_t> borders;
  for (std::uint64_t epoch = 0; epoch < 64; ++epoch) {
    auto images = sequence(Order(43, kImages, OrderKind::kWindow), epoch * kImages, 16384);
    std::sort(images.begin(), images.end());
    for (std::size_t i = 1; i < images.size(); ++i) {
      if (images[i] == images[i - 1] + 1) continue;
      borders.insert(images[i] % 32);
      break;
    }
  }
  EXPECT_GT(borders.size(), 20U);  // out of 32; 64 draws miss 4 on average
}

// If the order of a seed changes, old runs cannot be reproduced, and resumed runs repeat images.
TEST(Order, SequencesOfKnownSeedsAreUnchanged) {
  const auto at = [](std::uint64_t seed, std::uint64_t n, OrderKind kind, std::uint64_t first) {
    return sequence(Order(seed, n, kind), first, 6);
  };
  using Images = std::vector<std::uint64_t>;
  EXPECT_EQ(at(0, 1000, OrderKind::kGlobal, 0), (Images{805, 153, 312, 869, 991, 176}));
  EXPECT_EQ(at(42, 3926, OrderKind::kGlobal, 3924), (Images{3531, 1357, 3524, 313, 3371, 906}));
  EXPECT_EQ(at(42, 1281167, OrderKind::kGlobal, 123456789),
            (Images{1019776, 1095509, 85900, 52902, 282165, 325690}));
  EXPECT_EQ(at(0, 1000, OrderKind::kWindow, 0), (Images{734, 901, 872, 835, 495, 809}));
  EXPECT_EQ(at(42, 3926, OrderKind::kWindow, 3924), (Images{3314, 2956, 3205, 3504, 2402, 2708}));
  EXPECT_EQ(at(42, 1281167, OrderKind::kWindow, 123456789),
            (Images{927261, 646842, 678449, 1201314, 308132, 1075725}));
}

TEST(Order, MixtureHasTheSharesInEveryWindowAndEachImageOncePerEpochOfItsPart) {
  const std::vector<OrderPart> parts = {{70, 0.6}, {33, 3}, {1000, 2.4}};  // shares 0.1, 0.5, 0.4
  const double shares[] = {0.1, 0.5, 0.4};
  const std::uint64_t first_image[] = {0, 70, 103, 1103};
  for (const auto kind : kKinds) {
    const Order order(9, parts, kind);
    EXPECT_EQ(order.size(), 1103U);
    constexpr std::uint64_t kPositions = 12000;
    std::vector<std::vector<std::uint64_t>> of_part(3);
    std::vector<std::vector<std::uint64_t>> counts(3, {0});  // before each position
    std::set<std::uint64_t> seen;
    for (std::uint64_t p = 0; p < kPositions; ++p) {
      const std::uint64_t image = order.image_at(p);
      EXPECT_EQ(order.is_first_pass(p), seen.insert(image).second) << p;
      for (std::size_t s = 0; s < 3; ++s) {
        const bool is_of_part = image >= first_image[s] && image < first_image[s + 1];
        if (is_of_part) of_part[s].push_back(image - first_image[s]);
        counts[s].push_back(counts[s].back() + (is_of_part ? 1 : 0));
      }
    }
    for (std::size_t s = 0; s < 3; ++s) {
      for (const std::uint64_t window : {16U, 100U, 4096U})
        for (std::uint64_t p = 0; p + window <= kPositions; p += 7) {
          const auto count = static_cast<double>(counts[s][p + window] - counts[s][p]);
          ASSERT_NEAR(count, shares[s] * static_cast<double>(window), 2.5) << s << ", " << p;
        }
      const std::uint64_t n = parts[s].images;
      for (std::uint64_t e = 0; (e + 1) * n <= of_part[s].size(); ++e) {
        const auto begin = of_part[s].begin() + static_cast<std::ptrdiff_t>(e * n);
        ASSERT_TRUE(is_permutation_of_all({begin, begin + static_cast<std::ptrdiff_t>(n)}))
            << s << ", " << e;
      }
    }
  }
}

TEST(Order, MixtureOfOnePartIsThatPart) {
  for (const auto kind : kKinds)
    EXPECT_EQ(sequence(Order(3, {{777, 0.25}}, kind), 0, 2000),
              sequence(Order(3, 777, kind), 0, 2000));
}

TEST(Order, MixtureIsAFunctionOfSeedAndPosition) {
  const std::vector<OrderPart> parts = {{500, 1}, {500, 1}};
  const auto images = sequence(Order(3, parts, OrderKind::kGlobal), 0, 1000);
  EXPECT_EQ(images, sequence(Order(3, parts, OrderKind::kGlobal), 0, 1000));
  EXPECT_NE(images, sequence(Order(4, parts, OrderKind::kGlobal), 0, 1000));
  std::vector<std::uint64_t> halves[2];
  for (const auto image : images) halves[image / 500].push_back(image % 500);
  EXPECT_NE(halves[0], halves[1]) << "parts of one size have orders of their own";
  // A very small share, and a position beyond 2^53.
  const Order rare(3, {{10, 1e-9}, {10, 1}}, OrderKind::kGlobal);
  EXPECT_LT(rare.image_at(std::uint64_t{1} << 60U), 20U);
}

TEST(Order, ImageAtIsFasterThanReadingAnImage) {
  for (const auto kind : kKinds) {
    constexpr std::uint64_t kPositions = 200000;
    const Order order(47, 1281167, kind);
    std::uint64_t sum = 0;
    const auto start = std::chrono::steady_clock::now();
    for (std::uint64_t p = 0; p < kPositions; ++p) sum += order.image_at(p);
    const std::chrono::duration<double, std::nano> spent = std::chrono::steady_clock::now() - start;
    const double each = spent.count() / static_cast<double>(kPositions);
    std::printf("image_at, %s order: %.0f ns\n", kind == OrderKind::kGlobal ? "global" : "window",
                each);
    EXPECT_GT(sum, 0U);
    EXPECT_LT(each, 20000);  // a 256x256 image takes 20,000 ns from the page cache
  }
}

TEST(Order, ParsesKindNames) {
  EXPECT_EQ(parse_order("global"), OrderKind::kGlobal);
  EXPECT_EQ(parse_order("window"), OrderKind::kWindow);
  EXPECT_EQ(order_names().size(), 2U);
  EXPECT_THROW(static_cast<void>(parse_order("windows")), Error);
}

}  // namespace
}  // namespace valley
