#include "inference/grid_min_sum.h"

#include <gtest/gtest.h>

#include <random>

#include "inference/bucket_tree.h"
#include "inference/factor_graph.h"

namespace valley {
namespace {

GridEnergy random_grid(std::mt19937_64& random, std::int64_t height, std::int64_t width,
                       std::int64_t levels) {
  GridEnergy grid{height, width, levels, {}, 0.4F, 2};
  std::uniform_real_distribution<float> uniform(0, 1);
  for (std::int64_t i = 0; i < height * width * levels; ++i) grid.data.push_back(uniform(random));
  return grid;
}

// The minimum by variable elimination.
double exact_minimum(const GridEnergy& grid) {
  FactorGraph graph{std::vector<std::size_t>(static_cast<std::size_t>(grid.height * grid.width),
                                             static_cast<std::size_t>(grid.levels)),
                    {}};
  Table pair{{0, 0}, {}};
  for (std::int64_t a = 0; a < grid.levels; ++a)
    for (std::int64_t b = 0; b < grid.levels; ++b)
      pair.values.push_back(-grid.slope *
                            std::min(static_cast<float>(std::abs(a - b)), grid.truncation));
  for (std::size_t p = 0; p < graph.states.size(); ++p) {
    Table data{{p}, {}};
    for (std::size_t k = 0; k < graph.states[p]; ++k)
      data.values.push_back(-grid.data[p * graph.states[p] + k]);
    graph.factors.push_back(data);
    const auto width = static_cast<std::size_t>(grid.width);
    if (p % width + 1 < width) graph.factors.push_back({{p, p + 1}, pair.values});
    if (p + width < graph.states.size()) graph.factors.push_back({{p, p + width}, pair.values});
  }
  return -log_value(graph, BucketTree(graph, 1e8).best());
}

TEST(GridMinSum, IsExactOnRowsAndColumns) {
  std::mt19937_64 random(1);
  for (const auto& [height, width] : {std::pair<std::int64_t, std::int64_t>{1, 30}, {30, 1}}) {
    const GridEnergy grid = random_grid(random, height, width, 5);
    EXPECT_NEAR(grid_energy(grid, grid_min_sum(grid, 31)), exact_minimum(grid), 1e-4);
  }
}

TEST(GridMinSum, IsNearTheMinimumOnGrids) {
  std::mt19937_64 random(2);
  double excess = 0;
  for (int trial = 0; trial < 10; ++trial) {
    const GridEnergy grid = random_grid(random, 6, 7, 4);
    const double found = grid_energy(grid, grid_min_sum(grid, 50));
    const double exact = exact_minimum(grid);
    EXPECT_GE(found, exact - 1e-4);
    excess += (found - exact) / exact;
  }
  EXPECT_LT(excess / 10, 0.02);
}

TEST(GridMinSum, RemovesLonePixelsAndKeepsEdges) {
  GridEnergy ising{8, 8, 2, {}, 1, 1};
  for (int r = 0; r < 8; ++r)
    for (int c = 0; c < 8; ++c) {
      const bool is_white = (c >= 4) != (r == 3 && (c == 1 || c == 6));
      ising.data.push_back(is_white ? 1.5F : 0);
      ising.data.push_back(is_white ? 0 : 1.5F);
    }
  const std::vector<std::int64_t> levels = grid_min_sum(ising, 20);
  for (std::size_t p = 0; p < levels.size(); ++p) EXPECT_EQ(levels[p], p % 8 >= 4 ? 1 : 0) << p;
}

}  // namespace
}  // namespace valley
