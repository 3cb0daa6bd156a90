#include "inference/min_sum.h"

#include <ATen/ops/full.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include <limits>
#include <random>

#include "core/error.h"

namespace valley {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

struct Problem {
  std::vector<at::Tensor> unary;
  std::vector<PairEnergy> pairs;
};

double energy_of(const Problem& p, const std::vector<std::int64_t>& values) {
  double sum = 0;
  for (std::size_t i = 0; i < p.unary.size(); ++i) sum += p.unary[i][values[i]].item<double>();
  for (const PairEnergy& pair : p.pairs) {
    sum += pair.energy[values[static_cast<std::size_t>(pair.first)]]
                      [values[static_cast<std::size_t>(pair.second)]]
                          .item<double>();
  }
  return sum;
}

double brute_force(const Problem& p) {
  std::vector<std::int64_t> values(p.unary.size(), 0);
  double best = kInfinity;
  while (true) {
    best = std::min(best, energy_of(p, values));
    std::size_t i = 0;
    while (i < values.size() && ++values[i] == p.unary[i].size(0)) values[i++] = 0;
    if (i == values.size()) return best;
  }
}

// Samples of N(0, 1), equal in every run.
at::Tensor numbers(std::mt19937& random, at::IntArrayRef shape) {
  const at::Tensor all = at::zeros(shape, at::kDouble);
  std::normal_distribution<double> normal;
  for (std::int64_t i = 0; i < all.numel(); ++i) all.mutable_data_ptr<double>()[i] = normal(random);
  return all;
}

Problem with_pairs(std::mt19937& random, const std::vector<std::int64_t>& sizes,
                   const std::vector<std::pair<std::int64_t, std::int64_t>>& pairs) {
  Problem p;
  for (const std::int64_t size : sizes) p.unary.push_back(numbers(random, {size}));
  for (const auto& [a, b] : pairs)
    p.pairs.push_back({a, b,
                       numbers(random, {sizes[static_cast<std::size_t>(a)],
                                        sizes[static_cast<std::size_t>(b)]})});
  return p;
}

TEST(MinSum, IsExactOnChainsAndTrees) {
  std::mt19937 random(1);
  for (int i = 0; i < 6; ++i) {
    const Problem chain = with_pairs(random, {3, 4, 2, 3, 4}, {{0, 1}, {1, 2}, {2, 3}, {3, 4}});
    // A tree whose pairs are named both ways round, and a variable of its own.
    const Problem tree =
        with_pairs(random, {3, 2, 4, 3, 2, 3, 2}, {{3, 0}, {0, 1}, {5, 0}, {2, 3}, {3, 4}});
    for (const Problem* p : {&chain, &tree}) {
      const MinSumResult found = min_sum(p->unary, p->pairs);
      EXPECT_TRUE(found.is_exact);
      EXPECT_NEAR(found.energy, brute_force(*p), 1e-12);
      EXPECT_NEAR(found.energy, energy_of(*p, found.values), 1e-12);
    }
  }
}

TEST(MinSum, IsNearTheMinimumAndNotExactWithLoops) {
  std::mt19937 random(2);
  int right = 0;
  for (int i = 0; i < 6; ++i) {
    const Problem grid = with_pairs(random, {3, 3, 3, 3, 3, 3},
                                    {{0, 1}, {1, 2}, {3, 4}, {4, 5}, {0, 3}, {1, 4}, {2, 5}});
    const MinSumResult found = min_sum(grid.unary, grid.pairs);
    const double least = brute_force(grid);
    EXPECT_FALSE(found.is_exact);
    EXPECT_NEAR(found.energy, energy_of(grid, found.values), 1e-12);
    EXPECT_GE(found.energy, least - 1e-12);
    right += found.energy < least + 1e-9 ? 1 : 0;
  }
  EXPECT_GE(right, 4);
}

TEST(MinSum, ViterbiAvoidsForbiddenTransitions) {
  // Each variable for itself would be 0 1 0; a 1 cannot be left again.
  const at::Tensor unary = at::zeros({3, 2}, at::kDouble);
  unary[0][1] = 2;
  unary[1][0] = 1;
  unary[2][1] = 5;
  const at::Tensor transition = at::zeros({2, 2}, at::kDouble);
  transition[1][0] = kInfinity;
  const MinSumResult found = viterbi(unary, transition);
  EXPECT_EQ(found.values, (std::vector<std::int64_t>{0, 0, 0}));
  EXPECT_EQ(found.energy, 1);
  transition[1][0] = 0.5;
  EXPECT_EQ(viterbi(unary, transition).values, (std::vector<std::int64_t>{0, 1, 0}));
}

TEST(MinSum, RepeatedPairsAddUp) {
  std::mt19937 random(3);
  Problem p = with_pairs(random, {3, 4}, {{0, 1}});
  p.pairs.push_back({1, 0, numbers(random, {4, 3})});
  const MinSumResult found = min_sum(p.unary, p.pairs);
  EXPECT_TRUE(found.is_exact);
  EXPECT_NEAR(found.energy, brute_force(p), 1e-12);
}

TEST(MinSum, RejectsInvalidShapesPairsAndEnergies) {
  std::mt19937 random(4);
  const Problem good = with_pairs(random, {2, 2}, {{0, 1}});
  const auto fails = [](const Problem& p) {
    try {
      static_cast<void>(min_sum(p.unary, p.pairs));
    } catch (const Error& error) {
      return error.code() == ExitCode::kData;
    }
    return false;
  };
  EXPECT_FALSE(fails(good));
  Problem p = good;
  p.pairs[0].second = 2;
  EXPECT_TRUE(fails(p));
  p.pairs[0].second = 0;
  EXPECT_TRUE(fails(p));
  p = good;
  p.pairs[0].energy = numbers(random, {2, 3});
  EXPECT_TRUE(fails(p));
  p = good;
  p.unary[1] = at::full({2}, std::numeric_limits<double>::quiet_NaN(), at::kDouble);
  EXPECT_TRUE(fails(p));
  p.unary[1] = at::full({2}, kInfinity, at::kDouble);
  EXPECT_TRUE(fails(p));
}

}  // namespace
}  // namespace valley
