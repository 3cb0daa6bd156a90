#include "inference/factor_graph.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <utility>
#include <vector>

#include "inference/bucket_tree.h"
#include "inference/log_sum.h"
#include "inference/loopy_messages.h"

namespace valley {
namespace {

// Random factors of 1 to `max_arity` variables with 1 to 3 states; some values are 0.
FactorGraph random_graph(std::mt19937_64& random, std::size_t variables, std::size_t factors,
                         std::size_t max_arity, double zeros) {
  FactorGraph graph;
  for (std::size_t v = 0; v < variables; ++v) graph.states.push_back(1 + random() % 3);
  std::uniform_real_distribution<double> uniform(0, 1);
  for (std::size_t f = 0; f < factors; ++f) {
    Table factor;
    std::vector<std::size_t> order(variables);
    for (std::size_t v = 0; v < variables; ++v) order[v] = v;
    std::shuffle(order.begin(), order.end(), random);
    factor.scope.assign(order.begin(),
                        order.begin() + static_cast<std::ptrdiff_t>(1 + random() % max_arity));
    std::size_t size = 1;
    for (const std::size_t v : factor.scope) size *= graph.states[v];
    for (std::size_t i = 0; i < size; ++i)
      factor.values.push_back(uniform(random) < zeros ? kMinusInfinity : 3 * uniform(random) - 1.5);
    graph.factors.push_back(factor);
  }
  return graph;
}

struct Enumerated {
  double max = kMinusInfinity;
  double log_z = kMinusInfinity;
  std::vector<std::vector<double>> marginals;
};

Enumerated enumerate(const FactorGraph& graph) {
  std::vector<std::size_t> all;
  for (std::size_t v = 0; v < graph.states.size(); ++v) all.push_back(v);
  std::vector<double> values;
  JointStates at(all, graph.states, {});
  for (std::size_t i = 0; i < at.size(); ++i, at.advance())
    values.push_back(log_value(graph, at.state()));
  Enumerated result;
  result.max = *std::max_element(values.begin(), values.end());
  result.log_z = log_sum(values);
  for (const std::size_t states : graph.states) result.marginals.emplace_back(states, 0.0);
  JointStates again(all, graph.states, {});
  for (std::size_t i = 0; i < again.size(); ++i, again.advance())
    for (const std::size_t v : all)
      result.marginals[v][again.state()[v]] += std::exp(values[i] - result.log_z);
  return result;
}

void expect_near(const std::vector<std::vector<double>>& a,
                 const std::vector<std::vector<double>>& b, double tolerance) {
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t v = 0; v < a.size(); ++v) {
    ASSERT_EQ(a[v].size(), b[v].size());
    for (std::size_t s = 0; s < a[v].size(); ++s) EXPECT_NEAR(a[v][s], b[v][s], tolerance);
  }
}

TEST(BucketTree, EqualsEnumerationOnRandomGraphs) {
  std::mt19937_64 random(1);
  int possible = 0;
  for (int trial = 0; trial < 200; ++trial) {
    const std::size_t variables = 1 + random() % 9;
    const FactorGraph graph =
        random_graph(random, variables, random() % 16, std::min<std::size_t>(4, variables),
                     trial % 2 == 0 ? 0 : 0.2);
    const Enumerated expected = enumerate(graph);
    const BucketTree tree(graph, 1e9);
    ASSERT_TRUE(tree.fits());
    const std::vector<std::size_t> best = tree.best();
    const BucketTree::Sums sums = tree.sums();
    if (expected.max == kMinusInfinity) {
      EXPECT_EQ(log_value(graph, best), kMinusInfinity);
      EXPECT_EQ(sums.log_z, kMinusInfinity);
      continue;
    }
    ++possible;
    EXPECT_NEAR(log_value(graph, best), expected.max, 1e-12);
    EXPECT_NEAR(sums.log_z, expected.log_z, 1e-10);
    expect_near(sums.marginals, expected.marginals, 1e-10);
  }
  EXPECT_GT(possible, 120);
}

TEST(BucketTree, SolvesLongChainsAndWideStars) {
  constexpr std::size_t kLength = 20'000;
  FactorGraph chain{std::vector<std::size_t>(kLength, 2), {}};
  for (std::size_t v = 0; v + 1 < kLength; ++v)
    chain.factors.push_back({{v, v + 1}, {0, std::log(3.0), std::log(3.0), 0}});
  const BucketTree tree(chain, 1e6);
  ASSERT_TRUE(tree.fits());
  EXPECT_EQ(tree.width(), 1U);
  // Z = 2 * 4^(n - 1): each step has sums of 1 + 3.
  EXPECT_NEAR(tree.sums().log_z, std::log(2.0) + (kLength - 1) * std::log(4.0), 1e-6);
  const std::vector<std::size_t> best = tree.best();
  for (std::size_t v = 0; v + 1 < kLength; ++v) ASSERT_NE(best[v], best[v + 1]);

  FactorGraph star{std::vector<std::size_t>(kLength, 2), {}};
  for (std::size_t v = 1; v < kLength; ++v)
    star.factors.push_back({{0, v}, {std::log(0.9), std::log(0.1), kMinusInfinity, 0}});
  const BucketTree::Sums sums = BucketTree(star, 1e6).sums();
  EXPECT_NEAR(sums.log_z, std::log(2.0), 1e-9);
  EXPECT_NEAR(sums.marginals[0][0], 0.5, 1e-9);
  EXPECT_NEAR(sums.marginals[7][1], 0.5 * 0.1 + 0.5, 1e-9);
}

TEST(BucketTree, TooWideGraphsDoNotFit) {
  FactorGraph graph{std::vector<std::size_t>(40, 2), {}};
  for (std::size_t a = 0; a < 40; ++a)
    for (std::size_t b = 0; b < a; ++b) graph.factors.push_back({{a, b}, {0, 1, 1, 0}});
  EXPECT_FALSE(BucketTree(graph, 1e6).fits());
  EXPECT_TRUE(BucketTree(FactorGraph{{3, 1, 2}, {}}, 1e6).fits());
}

TEST(Condition, EqualsTheGraphWithTheOtherStatesLeftOut) {
  std::mt19937_64 random(2);
  for (int trial = 0; trial < 50; ++trial) {
    const FactorGraph graph = random_graph(random, 6, 8, 3, 0);
    const Evidence evidence{{1, random() % graph.states[1]}, {4, random() % graph.states[4]}};
    const ConditionedGraph given = condition(graph, evidence);
    FactorGraph filtered = graph;
    for (const auto& [variable, state] : evidence) {
      Table indicator{{variable}, std::vector<double>(graph.states[variable], kMinusInfinity)};
      indicator.values[state] = 0;
      filtered.factors.push_back(indicator);
    }
    const Enumerated expected = enumerate(filtered);
    const BucketTree tree(given.graph, 1e9);
    EXPECT_NEAR(log_value(given.graph, tree.best()) + given.constant, expected.max, 1e-12);
    EXPECT_NEAR(tree.sums().log_z + given.constant, expected.log_z, 1e-10);
  }
}

TEST(LoopyMessages, AreExactOnTrees) {
  std::mt19937_64 random(3);
  for (int trial = 0; trial < 50; ++trial) {
    FactorGraph graph{{}, {}};
    for (int v = 0; v < 8; ++v) graph.states.push_back(2 + random() % 2);
    std::uniform_real_distribution<double> uniform(-2, 2);
    for (std::size_t v = 1; v < 8; ++v) {
      Table factor{{random() % v, v}, {}};
      for (std::size_t i = 0; i < graph.states[factor.scope[0]] * graph.states[v]; ++i)
        factor.values.push_back(uniform(random));
      graph.factors.push_back(factor);
    }
    const Enumerated expected = enumerate(graph);
    const LoopyBest best = loopy_best(graph);
    EXPECT_TRUE(best.converged);
    EXPECT_NEAR(best.log_value, expected.max, 1e-9);
    const LoopySums sums = loopy_sums(graph);
    EXPECT_TRUE(sums.converged);
    EXPECT_NEAR(sums.log_z, expected.log_z, 1e-4);
    expect_near(sums.marginals, expected.marginals, 1e-4);
  }
}

TEST(LoopyMessages, AreNearOnGridsWithWeakPairs) {
  constexpr std::size_t kSide = 5;
  std::mt19937_64 random(4);
  std::uniform_real_distribution<double> field(-1, 1);
  FactorGraph grid{std::vector<std::size_t>(kSide * kSide, 2), {}};
  for (std::size_t v = 0; v < kSide * kSide; ++v) {
    grid.factors.push_back({{v}, {0, field(random)}});
    constexpr double kCoupling = 0.3;
    if (v % kSide + 1 < kSide) grid.factors.push_back({{v, v + 1}, {kCoupling, 0, 0, kCoupling}});
    if (v + kSide < kSide * kSide)
      grid.factors.push_back({{v, v + kSide}, {kCoupling, 0, 0, kCoupling}});
  }
  const BucketTree tree(grid, 1e6);
  ASSERT_TRUE(tree.fits());
  EXPECT_LE(tree.width(), 6U);
  const BucketTree::Sums exact = tree.sums();
  const LoopySums sums = loopy_sums(grid);
  EXPECT_TRUE(sums.converged);
  EXPECT_NEAR(sums.log_z, exact.log_z, 0.05);
  expect_near(sums.marginals, exact.marginals, 0.02);
  EXPECT_NEAR(loopy_best(grid).log_value, log_value(grid, tree.best()), 1e-9);
}

TEST(LoopyMessages, ContradictionHasNoMarginals) {
  FactorGraph graph{{2, 2, 2}, {}};
  const double no = kMinusInfinity;
  for (const auto& [a, b] : {std::pair<std::size_t, std::size_t>{0, 1}, {1, 2}, {2, 0}})
    graph.factors.push_back({{a, b}, {no, 0, no, no}});  // a = 0 and b = 1
  EXPECT_TRUE(loopy_sums(graph).marginals.empty());
  EXPECT_EQ(loopy_best(graph).log_value, kMinusInfinity);
}

}  // namespace
}  // namespace valley
