#include "methods/began/objective.h"

#include <limits>

#include "methods/began/options.h"
#include "support/small_gan.h"

namespace valley {
namespace {

class BeganObjective : public testing::SmallGan {
 protected:
  BeganObjective() {
    own().gamma = 0.5;
    own().lambda_k = 0.1;
    objective_ = make_objective(objective_options_, *model_, setting());
  }

  // Gradients of both networks after one run of a phase, as one flat tensor each.
  std::pair<at::Tensor, at::Tensor> gradients(const Phase& phase) {
    const Pass pass = run(*objective_, phase);
    return {pass.discriminator, pass.generator};
  }

  void update(double real, double fake_d, double fake_g, double count = 2) {
    objective_->update_controller(
        {{"D", at::tensor({real * count, fake_d * count, count}, at::kFloat)},
         {"G", at::tensor({fake_g * count, count}, at::kFloat)}});
  }
  double k() {
    TensorMap state;
    objective_->save(state);
    return state.at("objective.k").item<double>();
  }
  void set_k(double value) {
    objective_->load({{"objective.k", at::full({}, value, at::kDouble)}}, "test");
  }
  double reported(const std::string& name) { return SmallGan::reported(*objective_, name); }

  [[nodiscard]] BeganOptions& own() { return objective_options_.as<BeganOptions>(); }
  ObjectiveOptions objective_options_{"began"};
  std::unique_ptr<Objective> objective_;
};

TEST_F(BeganObjective, AlternatesBetweenDAndG) {
  const std::vector<Stage> stages = objective_->stages();
  ASSERT_EQ(stages.size(), 1U);
  EXPECT_EQ(stages[0].length, 0);
  ASSERT_EQ(stages[0].phases.size(), 2U);
  EXPECT_EQ(stages[0].phases[0].updates, std::vector<std::string>{"discriminator"});
  EXPECT_EQ(stages[0].phases[1].updates, std::vector<std::string>{"generator"});
  EXPECT_FALSE(objective_options_.method().couples_samples(objective_options_));
}

TEST_F(BeganObjective, KFollowsTheEquationAndIsClipped) {
  EXPECT_EQ(k(), 0.0);
  update(0.4, 0.3, 0.1);
  EXPECT_NEAR(k(), 0.1 * (0.5 * 0.4 - 0.1), 1e-8);
  EXPECT_NEAR(reported("M"), 0.4 + 0.1, 1e-7);
  update(0.4, 0.3, 0.9);  // 0.01 + 0.1 * (0.2 - 0.9) < 0
  EXPECT_EQ(k(), 0.0);
  EXPECT_NEAR(reported("M"), 0.4 + 0.7, 1e-7);
  for (int i = 0; i < 40; ++i) update(0.9, 0.1, 0.1);
  EXPECT_EQ(k(), 1.0);
}

TEST_F(BeganObjective, KUsesMeansOverTheGlobalBatch) {
  update(0.4, 0.3, 0.1, 64);  // the same means from 64 samples as from 2
  EXPECT_NEAR(k(), 0.01, 1e-8);
}

TEST_F(BeganObjective, ReportedLossUsesTheKOfTheStep) {
  set_k(0.25);
  update(0.4, 0.3, 0.1);
  EXPECT_NEAR(reported("loss/D"), 0.4 - 0.25 * 0.3, 1e-7);
  EXPECT_NEAR(reported("loss/G"), 0.1, 1e-7);
}

TEST_F(BeganObjective, SkippedStepDoesNotChangeK) {
  set_k(0.25);
  update(std::numeric_limits<double>::quiet_NaN(), 0.3, 0.1);
  EXPECT_EQ(k(), 0.25);
}

// The coefficient of the fake term is -k: one backward pass of the sum of both losses would give 1
// - k.
TEST_F(BeganObjective, DsGradientIsLinearInK) {
  set_k(0.0);
  const at::Tensor at_0 = gradients(testing::kDiscriminatorPhase).first;
  set_k(1.0);
  const at::Tensor at_1 = gradients(testing::kDiscriminatorPhase).first;
  set_k(0.3);
  const at::Tensor at_03 = gradients(testing::kDiscriminatorPhase).first;
  EXPECT_TRUE(at::allclose(at_03, at_0 + 0.3 * (at_1 - at_0), 1e-3, 1e-6));
  EXPECT_FALSE(at::allclose(at_0, at_1, 1e-3, 1e-6));
}

TEST_F(BeganObjective, EachPhaseComputesGradientsOfItsNetworkOnly) {
  set_k(0.5);
  const auto [d_of_d, g_of_d] = gradients(testing::kDiscriminatorPhase);
  EXPECT_GT(d_of_d.abs().sum().item<double>(), 0.0);
  EXPECT_EQ(g_of_d.abs().sum().item<double>(), 0.0);
  const auto [d_of_g, g_of_g] = gradients(testing::kGeneratorPhase);
  EXPECT_EQ(d_of_g.abs().sum().item<double>(), 0.0);
  EXPECT_GT(g_of_g.abs().sum().item<double>(), 0.0);
}

// Detaching the target (the fake in D(fake) - fake) is a known defect of other implementations: it
// changes G's gradient.
TEST_F(BeganObjective, GsGradientFlowsThroughTargetAndReconstruction) {
  const at::Tensor got = gradients(testing::kGeneratorPhase).second;
  const auto with_target = [&](bool detached) {
    return reference("generator", [&] {
      const at::Tensor fake = generated(RandomStream::kLatentG);
      return (gan().discriminator().reconstruct(fake) - (detached ? fake.detach() : fake))
          .abs()
          .mean();
    });
  };
  EXPECT_TRUE(at::allclose(got, with_target(false), 1e-4, 1e-7));
  EXPECT_FALSE(at::allclose(got, with_target(true), 1e-1, 1e-5));
}

TEST_F(BeganObjective, SumsAreEnergiesTimesSamples) {
  const Pass pass = run(*objective_, testing::kDiscriminatorPhase);
  const at::Tensor expected = (images_ - gan().discriminator().reconstruct(images_)).abs().mean();
  EXPECT_NEAR(pass.sums.at("energy/real") / pass.sums.at("count"), expected.item<double>(), 1e-6);
  EXPECT_EQ(pass.sums.at("count"), 4.0);
}

TEST_F(BeganObjective, PhasesDrawSeparateLatents) {
  EXPECT_FALSE(at::equal(microbatch().latents(RandomStream::kLatentD, setting().latent),
                         microbatch().latents(RandomStream::kLatentG, setting().latent)));
}

TEST_F(BeganObjective, MissingStateIsNamedInTheError) {
  try {
    objective_->load({}, "state.safetensors");
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ExitCode::kData);
    EXPECT_NE(std::string(e.what()).find("objective.k"), std::string::npos);
  }
}

TEST_F(BeganObjective, GammaOutOfRangeIsRejected) {
  for (const double gamma : {0.0, -0.5, 1.5}) {
    own().gamma = gamma;
    EXPECT_THROW(static_cast<void>(make_objective(objective_options_, *model_, setting())), Error);
  }
}

}  // namespace
}  // namespace valley
