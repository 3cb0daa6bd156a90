#include "inference/chain_restorer.h"

#include <cmath>

#include "toy_models.h"

namespace valley {
namespace {

using testing::first_row_unknown;
using testing::toy_ebm;

TEST(ChainRestorer, DescentWithoutNoiseFixesKnownPixels) {
  const SavedModel saved = toy_ebm();
  const auto energy = make_image_energy(saved, at::kCPU);
  RestoreRequest request;
  request.chain.steps = 5;
  request.chain.step_size = 0.1;
  const RestoreTask task = first_row_unknown(0.9, 0);
  const at::Tensor restored = make_chain_restorer(saved, *energy, request, false)->restore(task);
  EXPECT_TRUE(at::equal(restored.narrow(2, 1, 3), task.damaged.narrow(2, 1, 3)));
  // A step multiplies x - 0.5 by 1 - 2 * 0.1.
  EXPECT_NEAR(restored[0][0][0][0].item<double>(), 0.5 - 0.5 * std::pow(0.8, 5), 1e-5);
}

TEST(ChainRestorer, NoisyPixelsTakeProximalStepsToDamagedImage) {
  const SavedModel saved = toy_ebm(0);  // no energy: the quadratic term alone
  const auto energy = make_image_energy(saved, at::kCPU);
  RestoreRequest request;
  request.chain.steps = 3;
  request.chain.step_size = 0.5;
  request.weight = 0.02;
  RestoreTask task = first_row_unknown(0.9, 0.1);
  task.guess = at::full_like(task.damaged, 0.1);
  task.noise = 0.1;
  const double pull = 0.5 * 0.02 / (0.1 * 0.1);
  const at::Tensor restored = make_chain_restorer(saved, *energy, request, false)->restore(task);
  EXPECT_NEAR(restored[0][0][1][0].item<double>(), 0.9 - 0.8 * std::pow(1 / (1 + pull), 3), 1e-5);
  EXPECT_NEAR(restored[0][0][0][0].item<double>(), 0.1, 1e-6);  // unknown, and no gradient
}

TEST(ChainRestorer, LangevinReturnsMeanOfSecondHalf) {
  const SavedModel saved = toy_ebm();
  const auto energy = make_image_energy(saved, at::kCPU);
  RestoreRequest request;
  request.chain.steps = 4;
  request.chain.noise = 0.05;
  RestoreTask task = first_row_unknown(0.9, 0.3);
  std::vector<at::Tensor> images;
  task.watch = [&](std::int64_t, const at::Tensor& x) { images.push_back(x.clone()); };
  const at::Tensor restored = make_chain_restorer(saved, *energy, request, true)->restore(task);
  ASSERT_EQ(images.size(), 5U);
  EXPECT_LT((restored - (images[3] + images[4]) / 2).abs().max().item<double>(), 1e-6);
}

TEST(ChainRestorer, TrainedChainsAreShortenedByDefault) {
  const SavedModel saved = toy_ebm();
  const auto energy = make_image_energy(saved, at::kCPU);
  const auto restorer = make_chain_restorer(saved, *energy, {}, false);
  EXPECT_EQ(restorer->steps(), 60);
  EXPECT_EQ(restorer->describe(), "gradient: 60 steps of 0.01 times the gradient, weight 0.1");
}

TEST(ChainRestorer, ChainNoiseIsRejectedForGradient) {
  const SavedModel saved = toy_ebm();
  const auto energy = make_image_energy(saved, at::kCPU);
  RestoreRequest request;
  request.chain.noise = 0.1;
  EXPECT_NE(testing::message_of(
                ExitCode::kUsage,
                [&] { static_cast<void>(make_chain_restorer(saved, *energy, request, false)); })
                .find("--chain-noise"),
            std::string::npos);
}

}  // namespace
}  // namespace valley
