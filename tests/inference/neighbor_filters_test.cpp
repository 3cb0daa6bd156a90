#include "inference/neighbor_filters.h"

#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>

namespace valley {
namespace {

TEST(FillUnknown, UsesTheMeanOfKnownNeighborsAtEdgesToo) {
  at::Tensor x = at::arange(9, at::kFloat).view({1, 1, 3, 3}) / 10;
  at::Tensor unknown = at::zeros({1, 1, 3, 3}, at::kBool);
  unknown[0][0][0][0] = true;
  const at::Tensor filled = fill_unknown(x, unknown);
  EXPECT_NEAR(filled[0][0][0][0].item<double>(), (0.1 + 0.3 + 0.4) / 3, 1e-6);
  EXPECT_TRUE(at::equal(filled.flatten().narrow(0, 1, 8), x.flatten().narrow(0, 1, 8)));
}

TEST(FillUnknown, ContinuesRingByRingFromKnownPixels) {
  // One known column: each further column copies the one before it.
  at::Tensor x = at::full({1, 1, 4, 6}, 9.0);
  x.select(3, 0).fill_(0.25);
  at::Tensor unknown = at::ones({1, 1, 4, 6}, at::kBool);
  unknown.select(3, 0).fill_(false);
  EXPECT_LT((fill_unknown(x, unknown) - 0.25).abs().max().item<double>(), 1e-6);
}

TEST(FillUnknown, ImageWithoutKnownPixelsBecomesGray) {
  const at::Tensor filled = fill_unknown(at::ones({2, 3, 4, 4}), at::ones({2, 1, 4, 4}, at::kBool));
  EXPECT_TRUE((filled == 0.5).all().item<bool>());
}

TEST(MedianFilter, IsTheMedianOfNineReplicatedAtEdges) {
  at::Tensor x = at::rand({1, 2, 5, 5});
  const at::Tensor filtered = median_filter(x);
  for (std::int64_t c = 0; c < 2; ++c) {
    for (std::int64_t row = 0; row < 5; ++row) {
      for (std::int64_t column = 0; column < 5; ++column) {
        std::array<float, 9> around{};
        for (std::size_t i = 0; i < 9; ++i) {
          const std::int64_t y = std::clamp<std::int64_t>(row + static_cast<int>(i) / 3 - 1, 0, 4);
          const std::int64_t z =
              std::clamp<std::int64_t>(column + static_cast<int>(i) % 3 - 1, 0, 4);
          around[i] = x[0][c][y][z].item<float>();
        }
        std::sort(around.begin(), around.end());
        EXPECT_EQ(filtered[0][c][row][column].item<float>(), around[4]);
      }
    }
  }
}

}  // namespace
}  // namespace valley
