#include <ATen/Functions.h>
#include <gtest/gtest.h>

#include <cmath>

#include "evaluate/pyramid.h"
#include "evaluate/sliced_wasserstein.h"
#include "evaluate/stored_images.h"
#include "evaluate/team_of_one.h"

namespace valley {
namespace {

TEST(Pyramid, LastSideIsAtMostSixteen) {
  EXPECT_EQ(pyramid_sides(16), (std::vector<std::int64_t>{16}));
  EXPECT_EQ(pyramid_sides(28), (std::vector<std::int64_t>{28, 14}));
  EXPECT_EQ(pyramid_sides(64), (std::vector<std::int64_t>{64, 32, 16}));
  EXPECT_EQ(pyramid_sides(100), (std::vector<std::int64_t>{100, 50, 25, 13}));
}

TEST(Pyramid, ConstantImageHasZeroDetails) {
  const at::Tensor pixels = at::full({2, 33, 33, 3}, 200, at::kByte);
  for (std::int64_t level = 0; level < 3; ++level) {
    const at::Tensor images = laplacian_level(pixels, level, 3);
    const std::int64_t side = pyramid_sides(33)[static_cast<std::size_t>(level)];
    EXPECT_EQ(images.sizes(), (at::IntArrayRef{2, 3, side, side}));
    EXPECT_TRUE(at::allclose(images, at::full_like(images, level < 2 ? 0 : 200), 0, 1e-3));
  }
}

// A white pixel in the center: the halved image has (6/16)^2 of it there, and doubling filters that
// with the taps at even positions, (6, 1, 1) / 8.
TEST(Pyramid, SinglePixelGivesTheFilter) {
  at::Tensor pixels = at::zeros({1, 32, 32, 1}, at::kByte);
  pixels[0][16][16].fill_(255);
  const at::Tensor small = laplacian_level(pixels, 1, 2);
  EXPECT_FLOAT_EQ(small[0][0][8][8].item<float>(), 255 * 36.0F / 256);
  EXPECT_FLOAT_EQ(small[0][0][8][9].item<float>(), 255 * 6.0F / 256);
  const double kept = (6.0 * 6 + 1 + 1) / 8 / 16;  // in one direction
  const at::Tensor details = laplacian_level(pixels, 0, 2);
  EXPECT_NEAR(details[0][0][16][16].item<double>(), 255 * (1 - kept * kept), 1e-3);
}

TEST(Patches, AreCopiedFromTheImage) {
  const at::Tensor images = at::arange(3 * 20 * 20, at::kFloat).view({1, 3, 20, 20});
  const at::Tensor patches = random_patches(images, 0, 5).view({kPatchesPerImage, 3, 7, 7});
  const at::Tensor corners = patches.select(1, 0).select(1, 0).select(1, 0);
  EXPECT_TRUE(at::equal(patches - corners.view({-1, 1, 1, 1}),
                        (images[0].narrow(1, 0, 7).narrow(2, 0, 7)).expand_as(patches)));
  const at::Tensor x = corners.remainder(20);
  EXPECT_EQ(x.min().item<float>(), 0);
  EXPECT_EQ(x.max().item<float>(), 13);
  EXPECT_FALSE(at::equal(patches.view({kPatchesPerImage, -1}), random_patches(images, 1, 5)));
  EXPECT_FALSE(at::equal(patches.view({kPatchesPerImage, -1}), random_patches(images, 0, 6)));
}

TEST(Patches, AreStandardizedOverTheSet) {
  const TeamOfOne one;
  const StoredImages images(noise_images(40, 32, 3));
  const ImageSet set(images, 40);
  const at::Tensor patches = standard_patches(one.team, set, 0, 0, 2).view({-1, 3, 49});
  EXPECT_EQ(patches.size(0), 40 * kPatchesPerImage);
  for (std::int64_t c = 0; c < 3; ++c) {
    EXPECT_NEAR(patches.select(1, c).mean().item<double>(), 0, 1e-4);
    EXPECT_NEAR(patches.select(1, c).std(false).item<double>(), 1, 1e-4);
  }
}

TEST(SlicedDistance, IsZeroForEqualPatchesInAnyOrder) {
  const TeamOfOne one;
  const at::Tensor patches = at::randn({12 * kPatchesPerImage, 49});
  const auto found = sliced_distances(one.team, 0, patches, {patches.clone(), patches.flip(0)}, 12);
  EXPECT_EQ(found[0], 0);
  EXPECT_LT(found[1], 1e-3);
}

// All mass moved by a vector v: the distance along a direction is |direction . v|, whose mean over
// the unit sphere of n dimensions is |v| Gamma(n / 2) / (sqrt(pi) Gamma((n + 1) / 2)).
TEST(SlicedDistance, OfShiftedPatchesIsTheMeanProjection) {
  const TeamOfOne one;
  constexpr double kLength = 3;
  const at::Tensor patches = at::randn({10 * kPatchesPerImage, 49});
  at::Tensor shift = at::zeros({49});
  shift[7] = kLength;
  const auto found = sliced_distances(one.team, 0, patches, {patches + shift}, 10);
  const double mean =
      kLength * std::exp(std::lgamma(24.5) - std::lgamma(25.0)) / std::sqrt(std::acos(-1.0));
  // |N(0,1)| has a deviation of 0.75 times its mean; five standard errors of 512 directions.
  EXPECT_NEAR(found[0] / 1000, mean, 5 * 0.76 * mean / std::sqrt(512.0));
  const auto again = sliced_distances(one.team, 0, patches, {patches + shift}, 10);
  EXPECT_EQ(again, found);
  EXPECT_NE(sliced_distances(one.team, 1, patches, {patches + shift}, 10), found);
}

}  // namespace
}  // namespace valley
