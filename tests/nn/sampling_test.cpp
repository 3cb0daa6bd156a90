#include "nn/sampling.h"

#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "methods/registry.h"

namespace valley {
namespace {

TEST(Sampling, LatentOfASeedDoesNotDependOnItsRow) {
  const std::vector<std::uint64_t> many = {0, 1, 2, 77};
  const std::vector<std::uint64_t> one = {77};
  const at::Tensor z = latents_from_seeds(many, {16, false}, at::kCPU);
  EXPECT_TRUE(at::equal(latents_from_seeds(one, {16, false}, at::kCPU)[0], z[3]));
  EXPECT_FALSE(at::equal(z[0], z[1]));
}

TEST(Sampling, InterpolationIncludesBothEnds) {
  const at::Tensor pair = at::tensor({0.0F, 1.0F, 1.0F, -1.0F}).view({2, 2});
  const at::Tensor walk = interpolate(pair, 5);
  EXPECT_TRUE(at::equal(walk[0], pair[0]));
  EXPECT_TRUE(at::equal(walk[4], pair[1]));
  EXPECT_TRUE(at::allclose(walk[2], at::tensor({0.5F, 0.0F})));
}

TEST(Sampling, PixelsDoNotDependOnTheBatch) {
  ModelOptions o;
  o.resolution = 32;
  o.width = 4;
  o.latent = 8;
  const auto model = make_model(o);
  model->initialize(2);
  const at::Tensor z = at::rand({5, 8});
  const at::Tensor pixels = generate_pixels(*model, z, 5);
  EXPECT_EQ(pixels.sizes(), (std::vector<std::int64_t>{5, 32, 32, 3}));
  const at::Tensor difference =
      (generate_pixels(*model, z, 2).to(at::kInt) - pixels.to(at::kInt)).abs().max();
  EXPECT_LE(difference.item<int>(), 1);
}

// With one batch, running and batch statistics give the same images up to the factor n / (n - 1) of
// the variance, whatever the previous moments were.
TEST(Sampling, EstimatedRunningMomentsEqualBatchMoments) {
  ModelOptions o;
  o.name = "ebgan";
  o.output = "tanh";
  o.batch_norm = true;
  o.resolution = 32;
  o.width = 4;
  o.latent = 8;
  const auto model = make_model(o);
  model->initialize(2);
  const auto& g = dynamic_cast<const Generator&>(model->network("generator"));
  const LatentDraw draw{8, true};
  std::vector<std::uint64_t> seeds(64);
  std::iota(seeds.begin(), seeds.end(), 5);
  const at::NoGradGuard no_grad;
  estimate_running_moments(g, draw, 5, 64, 64);
  EXPECT_FALSE(g.context().batch_statistics);
  const at::Tensor z = latents_from_seeds(seeds, draw, at::kCPU);
  const at::Tensor by_running = g.generate(z);
  g.context().batch_statistics = true;
  const at::Tensor by_batch = g.generate(z);
  EXPECT_LT((by_running - by_batch).abs().max().item<float>(), 0.01F);
  std::vector<at::Tensor> before;
  for (const Buffer& b : g.parameters().buffers()) {
    before.push_back(b.value.clone());
    at::Tensor(b.value).fill_(1e6);
  }
  estimate_running_moments(g, draw, 5, 64, 64);
  for (std::size_t i = 0; i < before.size(); ++i)
    EXPECT_TRUE(at::equal(g.parameters().buffers()[i].value, before[i]));
  // With several batches: the mean of their moments.
  estimate_running_moments(g, draw, 5, 33, 32);
  const at::Tensor both = g.parameters().buffers()[0].value.clone();
  estimate_running_moments(g, draw, 5, 32, 32);
  const at::Tensor first = g.parameters().buffers()[0].value.clone();
  estimate_running_moments(g, draw, 37, 32, 32);
  EXPECT_TRUE(at::allclose(both, (first + g.parameters().buffers()[0].value) / 2, 1e-4, 1e-6));
}

TEST(Sampling, MeanPairwiseDistanceAveragesAllPairs) {
  // Three images of two pixels; pairs differ by (1, 0), (0.2, 0.2) and (0.8, 0.2) of the range.
  const at::Tensor pixels =
      at::tensor({0, 0, 255, 0, 51, 51}, at::kInt).to(at::kByte).view({3, 1, 2, 1});
  const double expected = (std::sqrt(0.5) + 0.2 + std::sqrt((0.64 + 0.04) / 2)) / 3;
  EXPECT_NEAR(mean_pairwise_distance(pixels), expected, 1e-6);
  EXPECT_EQ(mean_pairwise_distance(at::zeros({4, 2, 2, 3}, at::kByte)), 0.0);
}

}  // namespace
}  // namespace valley
