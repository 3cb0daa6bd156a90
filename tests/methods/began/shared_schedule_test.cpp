// BEGAN's shared schedule: both networks updated from one pass over the generated images.
#include "methods/adversarial/energies.h"
#include "methods/began/objective.h"
#include "methods/began/options.h"
#include "support/small_gan.h"

namespace valley {
namespace {

using testing::near;

const Phase kBoth{"D and G", {"discriminator", "generator"}};

class SharedBegan : public testing::SmallGan {
 protected:
  SharedBegan() { objective_ = make_objective(options_, *model_, shared()); }
  [[nodiscard]] ObjectiveSetting shared() const {
    ObjectiveSetting where = setting();
    where.schedule = UpdateSchedule::kShared;
    return where;
  }
  void set_k(double k) {
    objective_->load({{"objective.k", at::full({}, k, at::kDouble)}}, "test");
  }
  [[nodiscard]] at::Tensor energy(const at::Tensor& x) const {
    return mean_l1_energy(x, gan().discriminator().reconstruct(x));
  }
  // D's gradient of L(x) + coefficient L(G(z)).
  [[nodiscard]] at::Tensor of_d(double coefficient) const {
    return reference("discriminator", [&] {
      return energy(images_) + coefficient * energy(generated(RandomStream::kLatentD).detach());
    });
  }

  [[nodiscard]] BeganOptions& own() { return options_.as<BeganOptions>(); }
  ObjectiveOptions options_{"began"};
  std::unique_ptr<Objective> objective_;
};

TEST_F(SharedBegan, HasOnePhaseForBothNetworks) {
  const std::vector<Stage> stages = objective_->stages();
  ASSERT_EQ(stages.size(), 1U);
  ASSERT_EQ(stages[0].phases.size(), 1U);
  EXPECT_EQ(stages[0].phases[0].updates, kBoth.updates);
}

// One backward pass of L_D + L_G, with the factor 1 - k, is a known defect of other
// implementations.
TEST_F(SharedBegan, GeneratedImagesWeighMinusKForDAndOneForG) {
  for (const double k : {0.0, 0.3, 1.0}) {
    set_k(k);
    const Pass got = run(*objective_, kBoth);
    EXPECT_TRUE(near(got.discriminator, of_d(-k))) << k;
    EXPECT_FALSE(near(got.discriminator, of_d(1 - k))) << k;
    EXPECT_TRUE(
        near(got.generator,
             reference("generator", [&] { return energy(generated(RandomStream::kLatentD)); })))
        << k;
  }
}

TEST_F(SharedBegan, GradientsAddUpOverMicrobatches) {
  set_k(0.5);
  const Pass once = run(*objective_, kBoth);
  prepare(kBoth.updates);
  const at::Tensor sums = at::zeros({3});
  for (int i = 0; i < 2; ++i) objective_->accumulate_gradients(kBoth, microbatch(), sums);
  EXPECT_TRUE(near(gradient_of("discriminator"), 2 * once.discriminator));
  EXPECT_TRUE(near(gradient_of("generator"), 2 * once.generator));
  EXPECT_EQ(sums[2].item<double>(), 2 * kBatch);
}

TEST_F(SharedBegan, KUsesTheSharedGeneratedEnergy) {
  own().lambda_k = 0.1;
  objective_ = make_objective(options_, *model_, shared());
  objective_->update_controller({{"D and G", at::tensor({1.6, 0.4, 4.0}, at::kFloat)}});
  TensorMap state;
  objective_->save(state);
  EXPECT_NEAR(state.at("objective.k").item<double>(), 0.1 * (0.5 * 0.4 - 0.1), 1e-8);
  EXPECT_NEAR(reported(*objective_, "M"), 0.4 + 0.1, 1e-7);
  EXPECT_NEAR(reported(*objective_, "loss/G"), 0.1, 1e-7);
}

TEST_F(SharedBegan, EnergiesThatSaturateKAreRejected) {
  for (const char* energy : {"l2_sum", "l2_norm", "mse"}) {
    own().energy = energy;
    EXPECT_NE(rejection(options_).find("l1_mean"), std::string::npos) << energy;
  }
}

}  // namespace
}  // namespace valley
