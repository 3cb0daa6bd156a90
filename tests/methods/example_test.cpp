// Tests of the example method in docs/architecture.md, a template for new methods.
#include <ATen/Functions.h>
#include <gtest/gtest.h>

#include "../../examples/autoencoder_method.h"
#include "support/small_gan.h"

namespace valley {
namespace {

class ExampleMethod : public testing::SmallGan {
 protected:
  example::AutoencoderMethod method_;
  ObjectiveOptions options_{method_};
  std::unique_ptr<Objective> objective_ = method_.make_objective(options_, *model_, setting());
  Phase phase_ = objective_->stages().front().phases.front();
};

TEST_F(ExampleMethod, GradientIsThatOfTheReconstructionError) {
  const Pass pass = run(*objective_, phase_);
  const at::Tensor expected = reference("discriminator", [&] {
    return (gan().discriminator().reconstruct(images_) - images_).square().mean();
  });
  EXPECT_TRUE(testing::near(pass.discriminator, expected));
  EXPECT_EQ(pass.generator.abs().max().item<double>(), 0);
}

TEST_F(ExampleMethod, ReportsTheMeanOverAllRanks) {
  objective_->update_controller({{"D", at::tensor({6.0, 4.0}, at::kFloat)}});
  EXPECT_DOUBLE_EQ(reported(*objective_, "energy/real"), 1.5);
}

TEST_F(ExampleMethod, KeysAndWorkMatchTheMethodDescription) {
  Schema schema;
  options_.add_keys(schema);
  EXPECT_EQ(&options_.method(), &method_);
  schema.load_text("", "test.toml", {"objective.energy=l1_mean"});
  EXPECT_EQ(options_.as<example::AutoencoderOptions>().energy, "l1_mean");
  const auto work = method_.phase_work(options_, *model_, phase_);
  ASSERT_TRUE(work);
  EXPECT_GT(work->at("discriminator").multiply_adds, 0);
  EXPECT_FALSE(method_.couples_samples(options_));
}

}  // namespace
}  // namespace valley
