#include "inference/latent_walk.h"

#include <ATen/Functions.h>
#include <gtest/gtest.h>

#include <cmath>

namespace valley {
namespace {

at::Tensor rows(const std::vector<float>& values, std::int64_t n) {
  return at::tensor(values).view({n, -1});
}

TEST(LatentWalk, SphericalPathOfPerpendicularVectorsIsACircle) {
  const at::Tensor path =
      interpolate_latents(rows({2, 0, 0, 0, 2, 0}, 2), 7, LatentPath::kSpherical);
  for (std::int64_t i = 0; i < 7; ++i) {
    const double angle = static_cast<double>(i) / 6 * M_PI / 2;
    EXPECT_NEAR(path[i][0].item<double>(), 2 * std::cos(angle), 1e-6);
    EXPECT_NEAR(path[i][1].item<double>(), 2 * std::sin(angle), 1e-6);
    EXPECT_EQ(path[i][2].item<double>(), 0);
  }
}

TEST(LatentWalk, SphericalPathKeepsTheNormThatALineLoses) {
  const at::Tensor ends = at::randn({2, 512}, at::kFloat);
  const at::Tensor unit = ends / ends.norm(2, {1}, true);
  const at::Tensor sphere = interpolate_latents(unit, 9, LatentPath::kSpherical).norm(2, {1});
  EXPECT_LT((sphere - 1).abs().max().item<double>(), 1e-5);
  EXPECT_LT(interpolate_latents(unit, 9, LatentPath::kLinear)[4].norm().item<double>(), 0.85);
}

TEST(LatentWalk, EndsAreBitwiseTheGivenVectors) {
  const at::Tensor ends = at::randn({2, 64}, at::kFloat);
  for (const LatentPath path : {LatentPath::kLinear, LatentPath::kSpherical}) {
    const at::Tensor points = interpolate_latents(ends, 5, path);
    EXPECT_TRUE(at::equal(points[0], ends[0]));
    EXPECT_TRUE(at::equal(points[4], ends[1]));
  }
}

TEST(LatentWalk, EqualOppositeAndZeroVectorsAreConnectedByALine) {
  const at::Tensor a = at::randn({16}, at::kFloat);
  for (const at::Tensor& b : {a, -a, a * 3, at::zeros({16})}) {
    const at::Tensor ends = at::stack({a, b});
    EXPECT_TRUE(at::equal(interpolate_latents(ends, 4, LatentPath::kSpherical),
                          interpolate_latents(ends, 4, LatentPath::kLinear)));
  }
}

TEST(LatentWalk, RowsRepeatEndsAndFramesDoNot) {
  const at::Tensor ends = rows({0, 0, 1, 0, 1, 1}, 3);
  const auto of = [&](bool closed) { return walk_frames(ends, 2, LatentPath::kLinear, closed); };
  EXPECT_TRUE(at::equal(walk_rows(ends, 3, LatentPath::kLinear),
                        rows({0, 0, .5, 0, 1, 0, 1, 0, 1, .5, 1, 1}, 6)));
  EXPECT_TRUE(at::equal(of(false), rows({0, 0, .5, 0, 1, 0, 1, .5, 1, 1}, 5)));
  EXPECT_TRUE(at::equal(of(true), rows({0, 0, .5, 0, 1, 0, 1, .5, 1, 1, .5, .5}, 6)));
  for (const bool closed : {false, true})
    EXPECT_EQ(count_walk_frames(3, 2, closed), of(closed).size(0));
}

TEST(LatentWalk, DefaultPathFollowsTheDistribution) {
  EXPECT_EQ(default_path({8, true}), LatentPath::kSpherical);
  EXPECT_EQ(default_path({8, false}), LatentPath::kLinear);
}

}  // namespace
}  // namespace valley
