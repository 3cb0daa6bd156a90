#include "evaluate/neighbors.h"

#include <ATen/Functions.h>
#include <gtest/gtest.h>

#include <cmath>

#include "evaluate/frechet.h"
#include "evaluate/image_set.h"
#include "evaluate/stored_images.h"
#include "evaluate/team_of_one.h"

namespace valley {
namespace {

// Naeem et al. 2020, section 3: of equal distributions the expected density is 1, the expected
// coverage about 1 - 2^-5.
TEST(Neighbors, EqualGaussiansHaveDensityOneAndCoverage97Percent) {
  at::manual_seed(0);
  const TeamOfOne one;
  const at::Tensor real = at::randn({2000, 32});
  const at::Tensor same = at::randn({2000, 32});
  const at::Tensor collapsed = same.narrow(0, 0, 1).expand({2000, 32});
  const at::Tensor far = at::randn({2000, 32}) + 10;
  const auto found = neighborhoods(one.team, real, {same, collapsed, far});
  EXPECT_NEAR(found[0].density, 1, 0.05);
  EXPECT_NEAR(found[0].coverage, 0.97, 0.015);
  EXPECT_LT(found[1].coverage, 0.05);
  EXPECT_EQ(found[2].density, 0);
  EXPECT_EQ(found[2].coverage, 0);
}

// On a line at 0, 1, ..., 9 the ball of an end reaches to 5 away, excluding it.
TEST(Neighbors, MatchesCountsOnALine) {
  const TeamOfOne one;
  const at::Tensor real = at::arange(10, at::kFloat).unsqueeze(1);
  const at::Tensor sample = at::full({1, 1}, -4.0, at::kFloat);
  const auto found = neighborhoods(one.team, real, {sample});
  // Balls: 0 has radius 5; 1 has radius 4 (to 5); 2 and more 3. -4 lies in the ball of 0 alone.
  EXPECT_DOUBLE_EQ(found[0].density, 1.0 / kNeighbors);
  EXPECT_DOUBLE_EQ(found[0].coverage, 0.1);
}

// The balls of copies have radius 0. Those of noise reach at most to the copies, which are then not
// strictly nearer: no ball contains a copy, in any order and for any scale of the features.
TEST(Neighbors, TiesOfCopiesDoNotDependOnOrderAndScale) {
  at::manual_seed(1);
  const TeamOfOne one;
  const at::Tensor noise = at::randint(0, 256, {20, 768}, at::kFloat);
  const at::Tensor image = at::randint(0, 256, {1, 768}, at::kFloat);
  const at::Tensor data = at::cat({noise, image.expand({20, 768})});
  for (int round = 0; round < 10; ++round) {
    const at::Tensor order = at::randperm(40, at::kLong);
    const double scale = round == 0 ? 1 : 0.1 + 0.01 * round;
    const auto found = neighborhoods(one.team, data.index_select(0, order) * scale,
                                     {image.expand({20, 768}) * scale});
    EXPECT_EQ(found[0].density, 0) << round;
    EXPECT_EQ(found[0].coverage, 0) << round;
  }
}

// Six images at the corners and the center of a square, with many equal distances: a ball reaches
// to its fifth neighbor, and corners at that distance are outside.
TEST(Neighbors, PointsAtEqualDistancesAreOutside) {
  const TeamOfOne one;
  const double third = 1.0 / 3;
  const at::Tensor real =
      at::tensor({0.0, 0.0, third, 0.0, -third, 0.0, 0.0, third, 0.0, -third, third, third},
                 at::kDouble)
          .view({6, 2});
  // Four neighbors in the first ball are at distance 1/3, the fifth sqrt(2)/3.
  const at::Tensor at_its_radius = at::tensor({-third, -third}, at::kDouble).view({1, 2});
  const at::Tensor inside = at::tensor({third, 0.0}, at::kDouble).view({1, 2});
  const auto found = neighborhoods(one.team, real, {at_its_radius, inside});
  const auto balls = [](const Neighborhood& n) { return std::lround(6 * n.coverage); };
  // (-1, -1) / 3 is sqrt(2) / 3 from the center, 1 / 3 from (-1, 0) / 3 and (0, -1) / 3, whose
  // balls reach to (1, 1) / 3; farther from the rest than their balls reach.
  EXPECT_EQ(balls(found[0]), 2);
  EXPECT_EQ(balls(found[1]), 6);
}

TEST(Frechet, MatchesClosedFormForDiagonalGaussians) {
  const at::Tensor a = at::tensor({4.0, 1.0, 0.0}, at::kDouble);
  const at::Tensor b = at::tensor({1.0, 9.0, 0.25}, at::kDouble);
  const at::Tensor mean = at::tensor({1.0, 2.0, 2.0}, at::kDouble);
  const Gaussian first{at::zeros({3}, at::kDouble), at::diag(a)};
  const Gaussian second{mean, at::diag(b)};
  EXPECT_NEAR(frechet_distance(first, second), 9 + 1 + 4 + 0.25, 1e-9);
  EXPECT_NEAR(frechet_distance(second, second), 0, 1e-9);
}

TEST(PixelFeatures, AreSumsOverSquares) {
  at::Tensor pixels = at::zeros({1, 33, 33, 1}, at::kByte);
  pixels.narrow(1, 0, 2).narrow(2, 0, 2).fill_(255);
  pixels.narrow(1, 32, 1).fill_(255);  // left out
  const at::Tensor features = pixel_features(pixels);
  EXPECT_EQ(features.sizes(), (at::IntArrayRef{1, 256}));
  EXPECT_EQ(features[0][0].item<float>(), 4 * 255);
  EXPECT_EQ(features.sum().item<float>(), 4 * 255);
}

TEST(ChannelStatistics, CoverAllPixels) {
  const TeamOfOne one;
  const StoredImages images(noise_images(40, 16, 3));
  const ImageSet set(images, 40);
  const ChannelStatistics found = channel_statistics(one.team, set);
  const at::Tensor values = images.pixels(0, 40).to(at::kDouble).view({-1, 3}) / 255.0;
  for (std::int64_t c = 0; c < 3; ++c) {
    const at::Tensor channel = values.select(1, c);
    EXPECT_NEAR(found.mean[static_cast<std::size_t>(c)], channel.mean().item<double>(), 1e-12);
    EXPECT_NEAR(found.deviation[static_cast<std::size_t>(c)], channel.std(false).item<double>(),
                1e-12);
  }
}

}  // namespace
}  // namespace valley
