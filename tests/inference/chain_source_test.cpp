#include "inference/chain_source.h"

#include "inference/energy_chains.h"
#include "methods/ebm/energy_model.h"
#include "toy_models.h"

namespace valley {
namespace {

using testing::toy_ebm;

TEST(ChainSettings, FollowTrainingAndCountRestartsOfReplayBuffer) {
  SavedModel saved = toy_ebm();
  EXPECT_EQ(trained_chain_settings(saved, {}).steps, 10);
  EXPECT_EQ(trained_chain_settings(saved, {}).step_size, 0.1);
  saved.metadata["objective.replay_size"] = "1000";
  EXPECT_EQ(trained_chain_settings(saved, {}).steps, 200);  // 10 / 0.05
  saved.metadata["objective.replay_restart"] = "0";
  EXPECT_EQ(trained_chain_settings(saved, {}).steps, 200);  // 20 updates per chain
  EXPECT_EQ(trained_chain_settings(saved, 7).steps, 7);
}

TEST(ChainSettings, TemperatureSetsStepSizeFromNoise) {
  SavedModel saved = toy_ebm();
  saved.metadata["objective.langevin_noise"] = "0.1";
  saved.metadata["objective.temperature"] = "0.5";
  const LangevinSettings settings = trained_chain_settings(saved, {});
  EXPECT_DOUBLE_EQ(settings.step_size, 0.1 * 0.1 / (2 * 0.5));
  EXPECT_TRUE(settings.noise_last);
}

TEST(ChainSettings, InvalidMetadataAndStepsAreRejected) {
  for (const char* text : {"", "ten", "-1", "nan", "10x"}) {
    SavedModel saved = toy_ebm();
    saved.metadata["objective.langevin_steps"] = text;
    const std::string message = testing::message_of(
        ExitCode::kData, [&] { static_cast<void>(trained_chain_settings(saved, {})); });
    EXPECT_NE(message.find("toy.safetensors: \"objective.langevin_steps\""), std::string::npos);
  }
  SavedModel saved = toy_ebm();
  const auto zero = [&] { static_cast<void>(trained_chain_settings(saved, 0)); };
  EXPECT_NE(testing::message_of(ExitCode::kUsage, zero).find("--steps 0"), std::string::npos);
  saved.metadata.erase("objective.langevin_clamp");
  const auto incomplete = [&] { static_cast<void>(trained_chain_settings(saved, {})); };
  EXPECT_NE(testing::message_of(ExitCode::kData, incomplete).find("objective.langevin_clamp"),
            std::string::npos);
}

TEST(ChainSource, ChainsWithoutNoiseContractToTheMinimum) {
  const SavedModel saved = toy_ebm();
  const auto source = make_chain_source(dynamic_cast<const EnergyModel&>(*saved.model),
                                        saved.options, trained_chain_settings(saved, 10), at::kCPU);
  const at::Tensor start = noise_images(3, 2, saved.options, at::kCPU);
  // A step multiplies x - 0.5 by 1 - 2 * 0.1.
  const at::Tensor end = (start - 0.5) * std::pow(0.8, 10) + 0.5;
  const at::Tensor pixels = source->pixels(3, 2);
  EXPECT_LE((pixels.permute({0, 3, 1, 2}).to(at::kFloat) / 255 - end).abs().max().item<double>(),
            1.0 / 255);
}

TEST(ChainSource, SampleDependsOnItsSeedOnly) {
  const SavedModel saved = toy_ebm();
  LangevinSettings settings = trained_chain_settings(saved, 5);
  settings.noise = 0.1;
  const auto source = make_chain_source(dynamic_cast<const EnergyModel&>(*saved.model),
                                        saved.options, settings, at::kCPU);
  const at::Tensor all = source->pixels(0, 70);  // more than one batch
  EXPECT_TRUE(at::equal(source->pixels(66, 2), all.narrow(0, 66, 2)));
  EXPECT_FALSE(at::equal(all[0], all[1]));
}

}  // namespace
}  // namespace valley
