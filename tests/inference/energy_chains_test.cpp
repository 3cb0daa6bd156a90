#include "inference/energy_chains.h"

#include <cmath>
#include <limits>

#include "toy_models.h"

namespace valley {
namespace {

// E(x) = slope * sum x: the gradient is `slope` everywhere.
class LinearEnergy final : public ImageEnergy {
 public:
  explicit LinearEnergy(double slope) : slope_(slope) {}
  [[nodiscard]] at::Tensor energy(const at::Tensor& images) const override {
    return images.flatten(1).sum(1) * slope_;
  }
  [[nodiscard]] std::string describe() const override { return "linear"; }
  [[nodiscard]] bool is_density() const override { return false; }

 private:
  double slope_;
};

TEST(EnergyChains, DefaultStepMovesPixelsByFirstMove) {
  const SavedModel saved = testing::toy_gan();
  const LangevinSettings settings = make_chain_settings(saved, LinearEnergy(50), {});
  EXPECT_NEAR(settings.step_size * 50, kFirstMove, 1e-6);
  EXPECT_NEAR(settings.clamp, 4 * 50, 1e-3);
  EXPECT_EQ(settings.steps, 200);
}

TEST(EnergyChains, ConstantEnergyHasStepSizeZero) {
  EXPECT_EQ(make_chain_settings(testing::toy_gan(), LinearEnergy(0), {}).step_size, 0);
}

TEST(EnergyChains, RequestedStepSizeDisablesDefaultClamp) {
  ChainRequest request;
  request.step_size = 0.25;
  const SavedModel gan = testing::toy_gan();
  EXPECT_EQ(make_chain_settings(gan, LinearEnergy(50), request).clamp, 0);
  request.clamp = 2;
  EXPECT_EQ(make_chain_settings(gan, LinearEnergy(50), request).clamp, 2);
  // The clamp of training stays.
  SavedModel ebm = testing::toy_ebm();
  ebm.metadata["objective.langevin_clamp"] = "0.01";
  request.clamp.reset();
  EXPECT_EQ(make_chain_settings(ebm, LinearEnergy(50), request).clamp, 0.01);
}

TEST(EnergyChains, InvalidSettingsAreRejectedByName) {
  const SavedModel saved = testing::toy_gan();
  const auto rejected = [&](const ChainRequest& request) {
    return testing::message_of(ExitCode::kUsage, [&] {
      static_cast<void>(make_chain_settings(saved, LinearEnergy(1), request));
    });
  };
  ChainRequest request;
  request.step_size = -1;
  EXPECT_NE(rejected(request).find("--step-size -1"), std::string::npos);
  request = {};
  request.noise = std::numeric_limits<double>::infinity();
  EXPECT_NE(rejected(request).find("--chain-noise"), std::string::npos);
  request = {};
  request.clamp = std::nan("");
  EXPECT_NE(rejected(request).find("--clamp"), std::string::npos);
  request = {};
  request.steps = 0;
  EXPECT_NE(rejected(request).find("--steps 0"), std::string::npos);
}

TEST(EnergyChains, GradientThatIsNotFiniteIsReported) {
  const LinearEnergy infinite(std::numeric_limits<double>::infinity());
  const std::string message = testing::message_of(ExitCode::kDiverged, [&] {
    static_cast<void>(make_chain_settings(testing::toy_gan(), infinite, {}));
  });
  EXPECT_NE(message.find("toy.safetensors"), std::string::npos);
}

TEST(EnergyChains, InitialNoiseDependsOnSeedOnlyAndIsUniform) {
  ModelOptions options;
  options.resolution = 32;
  options.channels = 3;
  const at::Tensor all = noise_images(10, 4, options, at::kCPU);
  EXPECT_EQ(all.sizes(), (at::IntArrayRef{4, 3, 32, 32}));
  EXPECT_TRUE(at::equal(noise_images(12, 1, options, at::kCPU)[0], all[2]));
  EXPECT_NEAR(all.mean().item<double>(), 0.5, 0.02);
  EXPECT_NEAR(all.var().item<double>(), 1.0 / 12, 0.005);
}

}  // namespace
}  // namespace valley
