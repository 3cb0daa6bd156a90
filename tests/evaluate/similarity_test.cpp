#include <ATen/Functions.h>
#include <gtest/gtest.h>

#include <cmath>

#include "evaluate/diversity.h"
#include "evaluate/ms_ssim.h"
#include "evaluate/stored_images.h"
#include "evaluate/team_of_one.h"
#include "nn/sampling.h"

namespace valley {
namespace {

TEST(MsSsim, NumberOfScalesFollowsFromWindow) {
  EXPECT_EQ(ms_ssim_scales(10), 0);
  EXPECT_EQ(ms_ssim_scales(16), 1);
  EXPECT_EQ(ms_ssim_scales(28), 2);
  EXPECT_EQ(ms_ssim_scales(32), 2);
  EXPECT_EQ(ms_ssim_scales(64), 3);
  EXPECT_EQ(ms_ssim_scales(128), 4);
  EXPECT_EQ(ms_ssim_scales(256), 5);
  EXPECT_EQ(ms_ssim_scales(512), 5);
}

TEST(MsSsim, IsOneForEqualImagesAndSymmetric) {
  at::Tensor pixels = noise_images(3, 64, 3);
  pixels[2].copy_(pixels[0]);
  const MsSsim images(pixels);
  EXPECT_NEAR(images.similarity(0, 2), 1, 1e-6);
  EXPECT_NEAR(images.similarity(0, 1), images.similarity(1, 0), 1e-7);
  EXPECT_LT(images.similarity(0, 1), 0.5);
}

// Images without structure differ only in the luminance of the coarsest scale.
TEST(MsSsim, OfConstantImagesIsTheLuminanceTerm) {
  at::Tensor pixels = at::full({2, 64, 64, 1}, 51, at::kByte);  // 0.2
  pixels[1].fill_(204);                                         // 0.8
  const double luminance = (2 * 0.2 * 0.8 + 1e-4) / (0.04 + 0.64 + 1e-4);
  const double weight = 0.3001 / (0.0448 + 0.2856 + 0.3001);
  EXPECT_NEAR(MsSsim(pixels).similarity(0, 1), std::pow(luminance, weight), 1e-4);
}

TEST(MsSsim, OfInvertedImageIsZero) {
  const at::Tensor pixels = noise_images(1, 32, 1);
  EXPECT_EQ(MsSsim(at::cat({pixels, 255 - pixels})).similarity(0, 1), 0);
}

TEST(Diversity, DistanceMatchesAllPairs) {
  const TeamOfOne one;
  at::Tensor pixels = noise_images(64, 16, 3);
  for (std::int64_t i = 0; i < 64; ++i) pixels[i].floor_divide_(1 + i % 4);
  const StoredImages images(pixels);
  const Diversity found = diversity(one.team, ImageSet(images, 64), 0);
  EXPECT_NEAR(found.distance, mean_pairwise_distance(pixels), 0.01);
}

TEST(Diversity, IsZeroForIdenticalImages) {
  const TeamOfOne one;
  const StoredImages images(noise_images(1, 16, 1).expand({50, 16, 16, 1}).contiguous());
  const Diversity found = diversity(one.team, ImageSet(images, 50), 0);
  EXPECT_EQ(found.distance, 0);
  EXPECT_NEAR(found.ms_ssim, 1, 1e-6);
}

// Images of an incomplete last block are ignored.
TEST(Diversity, UsesCompleteBlocksOnly) {
  const TeamOfOne one;
  at::Tensor pixels = at::zeros({33, 16, 16, 1}, at::kByte);
  pixels[32].fill_(255);
  const StoredImages images(pixels);
  EXPECT_EQ(diversity(one.team, ImageSet(images, 33), 0).distance, 0);
}

}  // namespace
}  // namespace valley
