// Buffers of networks during training: steps, averages, checkpoints.
#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include "comm/self_communicator.h"
#include "kernels/device.h"
#include "methods/registry.h"
#include "support/small_training.h"

namespace valley {
namespace {

using testing::BufferKind;
using testing::experiment_with;
using testing::kCarrySteps;
using testing::kImages;
using testing::run_steps;

class BuffersTest : public ::testing::TestWithParam<BufferKind> {
 protected:
  BuffersTest() : self_(make_self_communicator(at::kCPU)), e_(experiment_with(GetParam())) {
    set_arithmetic({Precision::kFp32, true, 1});
  }

  std::unique_ptr<Trainer> make() {
    return std::make_unique<Trainer>(e_, plan_microbatches(8, 2, 1, false), *self_, kImages);
  }
  TensorMap tensors(const Trainer& trainer) {
    const Schema schema = e_.schema();
    return trainer.snapshot(schema, "data").model.tensors;
  }

  std::unique_ptr<Communicator> self_;
  Experiment e_;
};

TEST_P(BuffersTest, ResumeIsBitwiseEqual) {
  Schema schema = e_.schema();
  auto straight = make();
  run_steps(*straight, 0, 5);
  auto first = make();
  run_steps(*first, 0, 3);
  const Checkpoint saved = first->snapshot(schema, "data", first->gather_owned());
  run_steps(*first, 0, 1);
  auto second = make();
  second->restore(saved, schema, "data", "here");
  run_steps(*second, 0, 2);
  EXPECT_EQ(second->digest(), straight->digest());
  const TensorMap expected = tensors(*straight);
  for (const auto& [name, tensor] : tensors(*second))
    EXPECT_TRUE(at::equal(tensor, expected.at(name))) << name;
}

TEST_P(BuffersTest, CheckpointHasBuffersOfNetworksAndAverages) {
  auto trainer = make();
  run_steps(*trainer, 0, 1);
  const TensorMap saved = tensors(*trainer);
  for (const NamedNetwork& n : trainer->model().networks()) {
    ASSERT_FALSE(n.network->parameters().buffers().empty());
    for (const Buffer& b : n.network->parameters().buffers()) {
      EXPECT_EQ(saved.count(n.name + "." + b.name), 1U) << b.name;
      EXPECT_TRUE(at::equal(saved.at(n.name + "." + b.name), b.value)) << b.name;
    }
  }
  for (const std::string& name : trainer->model().averaged()) {
    for (const Buffer& b : trainer->model().network(name).parameters().buffers())
      EXPECT_EQ(saved.count(name + "_ema." + b.name), 1U) << b.name;
  }
}

INSTANTIATE_TEST_SUITE_P(Every, BuffersTest,
                         ::testing::Values(BufferKind::kBatchNorm, BufferKind::kCarry,
                                           BufferKind::kSingularVectors));

using BatchNormTraining = BuffersTest;
INSTANTIATE_TEST_SUITE_P(BufferKind, BatchNormTraining, ::testing::Values(BufferKind::kBatchNorm));

// After one step the running moments are 0.9 of the previous ones plus 0.1 of the mean over
// microbatches of the moments in the network's own phase.
TEST_P(BatchNormTraining, RunningMomentsAverageMicrobatchMoments) {
  auto trainer = make();
  const auto model = make_model(e_.model);
  model->initialize(static_cast<std::uint64_t>(e_.train.seed));
  Network& g = model->network("generator");
  g.context() = {true, 0.25};
  const auto& generator = dynamic_cast<const Generator&>(g);
  for (std::int64_t i = 0; i < 4; ++i) {
    const at::Tensor z = at::empty({2, e_.model.latent}, at::kFloat);
    fill_latents(z, latent_draw(e_.model), static_cast<std::uint64_t>(e_.train.seed),
                 RandomStream::kLatentG, at::zeros({}, at::kLong), 2 * i);
    static_cast<void>(generator.generate(z));
  }
  run_steps(*trainer, 0, 1);
  const TensorMap saved = tensors(*trainer);
  for (const Buffer& b : g.parameters().buffers()) {
    const at::Tensor expected = b.value + 0.1 * b.value.grad();
    EXPECT_TRUE(at::allclose(saved.at("generator." + b.name), expected, 1e-5, 1e-7)) << b.name;
    EXPECT_FALSE(at::equal(expected, b.value)) << b.name;
  }
}

// Samples are generated with the averaged network's running moments, not with batch moments.
TEST_P(BatchNormTraining, SampleDoesNotDependOnOtherSamples) {
  auto trainer = make();
  run_steps(*trainer, 0, 2);
  const at::Tensor many = trainer->sample(6).to(at::kInt);
  const at::Tensor few = trainer->sample(2).to(at::kInt);
  EXPECT_LE((many.narrow(0, 0, 2) - few).abs().max().item<int>(), 1);
  // Sampling does not change the training state: the next step equals that of a run without it.
  auto other = make();
  run_steps(*other, 0, 3);
  run_steps(*trainer, 0, 1);
  EXPECT_EQ(trainer->digest(), other->digest());
}

// The moments do not depend on how often samples were drawn or checkpoints made.
TEST_P(BatchNormTraining, AverageMomentsAreEstimatedFromAverageWeights) {
  auto trainer = make();
  auto other = make();
  for (int i = 0; i < 3; ++i) {
    run_steps(*trainer, 0, 1);
    run_steps(*other, 0, 1);
    static_cast<void>(other->sample(2));
  }
  const TensorMap saved = tensors(*trainer);
  testing::expect_same(tensors(*other), saved);
  const auto model = make_model(e_.model);
  auto& g = dynamic_cast<Generator&>(model->network("generator"));
  const at::NoGradGuard no_grad;
  for (const Parameter& p : g.parameters().all())
    at::Tensor(p.value).copy_(saved.at("generator_ema." + p.name));
  estimate_running_moments(g, latent_draw(e_.model), std::uint64_t{1} << 62U, 256, 2);
  for (const Buffer& b : g.parameters().buffers()) {
    EXPECT_TRUE(at::equal(saved.at("generator_ema." + b.name), b.value)) << b.name;
    EXPECT_FALSE(at::equal(saved.at("generator." + b.name), b.value)) << b.name;
  }
}

TEST_P(BatchNormTraining, NonFiniteStepKeepsRunningMoments) {
  e_.optimizer.lr = 1e38;
  auto trainer = make();
  for (int i = 0; i < 6 && !trainer->status(true).not_finite; ++i) run_steps(*trainer, 0, 1);
  ASSERT_TRUE(trainer->status(true).not_finite);
  for (const auto& [name, tensor] : tensors(*trainer)) {
    if (name.find("running") != std::string::npos) {
      EXPECT_TRUE(at::isfinite(tensor).all().item<bool>()) << name;
    }
  }
}

using CarryTraining = BuffersTest;
INSTANTIATE_TEST_SUITE_P(BufferKind, CarryTraining, ::testing::Values(BufferKind::kCarry));

TEST_P(CarryTraining, CarryDecaysLinearlyToZero) {
  auto trainer = make();
  for (std::int64_t step = 0; step <= kCarrySteps + 1; ++step) {
    const float expected =
        std::max(0.0F, 1.0F - static_cast<float>(step) / static_cast<float>(kCarrySteps));
    const TensorMap saved = tensors(*trainer);
    for (const char* network : {"generator.", "discriminator.", "generator_ema."})
      EXPECT_FLOAT_EQ(saved.at(std::string(network) + "carry").item<float>(), expected) << network;
    run_steps(*trainer, 0, 1);
  }
}

using SpectralTraining = BuffersTest;
INSTANTIATE_TEST_SUITE_P(BufferKind, SpectralTraining,
                         ::testing::Values(BufferKind::kSingularVectors));

TEST_P(SpectralTraining, SingularVectorsTrackWeights) {
  auto trainer = make();
  const TensorMap start = tensors(*trainer);
  run_steps(*trainer, 0, 3);
  const TensorMap now = tensors(*trainer);
  const at::Tensor w = now.at("energy.blocks.0.conv0.weight").flatten(1);
  const at::Tensor u = now.at("energy.blocks.0.conv0.u");
  const at::Tensor v = now.at("energy.blocks.0.conv0.v");
  EXPECT_FALSE(at::equal(u, start.at("energy.blocks.0.conv0.u")));
  const double largest = std::get<1>(at::svd(w)).max().item<double>();
  EXPECT_NEAR(at::dot(u, at::mv(w, v)).item<double>(), largest, 0.02 * largest);
  EXPECT_TRUE(at::equal(now.at("energy_ema.blocks.0.conv0.u"), u));
}

}  // namespace
}  // namespace valley
