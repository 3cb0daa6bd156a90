#include "inference/projection.h"

#include "methods/adversarial/autoencoder_gan.h"
#include "toy_models.h"

namespace valley {
namespace {

using testing::first_row_unknown;
using testing::toy_gan;

at::Tensor project(const RestoreTask& task, const RestoreRequest& request = {}) {
  const SavedModel saved = toy_gan();
  return make_projection(dynamic_cast<const AutoencoderGan&>(*saved.model), request, at::kCPU)
      ->restore(task);
}

TEST(Projection, TakesUnknownPixelsFromAutoencoderAndKeepsKnownOnes) {
  const RestoreTask task = first_row_unknown(0.8, 0);  // mean 0.6
  const at::Tensor restored = project(task);
  EXPECT_LT((restored[0][0][0] - 0.6).abs().max().item<double>(), 1e-6);
  EXPECT_TRUE(at::equal(restored.narrow(2, 1, 3), task.damaged.narrow(2, 1, 3)));
}

TEST(Projection, StepsRepeatTheProjection) {
  RestoreRequest request;
  request.chain.steps = 2;
  // 0.6 becomes the mean of 0.6 and three times 0.8.
  EXPECT_NEAR(project(first_row_unknown(0.8, 0), request)[0][0][0][0].item<double>(), 0.75, 1e-6);
}

TEST(Projection, NoisyPixelsAreAveragedWithAutoencoder) {
  RestoreTask task = first_row_unknown(0.8, 0);
  task.noise = 0.13;  // the error of the autoencoder: equal weights
  EXPECT_NEAR(project(task)[0][0][1][0].item<double>(), (0.8 + 0.6) / 2, 1e-6);
}

TEST(Projection, ShareOfModelIsOneForUnknownPixelsAndZeroWithoutNoise) {
  RestoreTask task = first_row_unknown(0.8, 0);
  EXPECT_TRUE(at::equal(compute_model_share(task, 1), task.unknown.to(at::kFloat)));
  task.noise = 0.13;
  const at::Tensor share = compute_model_share(task, 3);  // w = 1 / (1 + 3)
  EXPECT_NEAR(share[0][0][3][3].item<double>(), 0.25, 1e-6);
  EXPECT_EQ(share[0][0][0][0].item<double>(), 1);
}

TEST(Projection, ToUnitConvertsAndClipsBothPixelRanges) {
  const at::Tensor x = at::tensor({-2.0F, -1.0F, 0.0F, 1.0F});
  EXPECT_TRUE(at::equal(to_unit(x, PixelRange::kSymmetric), at::tensor({0.0F, 0.0F, 0.5F, 1.0F})));
  EXPECT_TRUE(at::equal(to_unit(x, PixelRange::kUnit), at::tensor({0.0F, 0.0F, 0.0F, 1.0F})));
}

}  // namespace
}  // namespace valley
