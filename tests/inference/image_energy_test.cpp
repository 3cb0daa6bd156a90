#include "inference/image_energy.h"

#include "inference/damage.h"
#include "toy_models.h"

namespace valley {
namespace {

using testing::kToySide;
using testing::toy_ebm;
using testing::toy_gan;

at::Tensor half_black_half_white() {
  at::Tensor x = at::zeros({1, 1, kToySide, kToySide});
  x.narrow(2, 0, kToySide / 2).fill_(1);
  return x;
}

TEST(ImageEnergy, OfAutoencoderGanIsReconstructionErrorInObjectiveMetric) {
  // Every pixel differs from the mean by 0.5.
  const std::vector<std::pair<std::string, double>> expected = {
      {"l1_mean", 0.5}, {"mse", 0.25}, {"l2_sum", 4}, {"l2_norm", 2}};
  for (const auto& [name, value] : expected) {
    const SavedModel saved = toy_gan(name);
    const auto energy = make_image_energy(saved, at::kCPU);
    EXPECT_NEAR(energy->energy(half_black_half_white()).item<double>(), value, 1e-6) << name;
    EXPECT_FALSE(energy->is_density());
    EXPECT_NE(energy->describe().find(name), std::string::npos);
  }
}

TEST(ImageEnergy, OfEnergyModelIsItsNetwork) {
  const SavedModel saved = toy_ebm(3);
  const auto energy = make_image_energy(saved, at::kCPU);
  EXPECT_NEAR(energy->energy(half_black_half_white()).item<double>(), 3 * 16 * 0.25, 1e-5);
  EXPECT_TRUE(energy->is_density());
}

TEST(ImageEnergy, MissingOrUnknownEnergyInMetadataIsRejected) {
  SavedModel saved = toy_gan("l3_norm");
  const auto make = [&] { static_cast<void>(make_image_energy(saved, at::kCPU)); };
  const std::string unknown = testing::message_of(ExitCode::kData, make);
  EXPECT_NE(unknown.find("toy.safetensors"), std::string::npos);
  EXPECT_NE(unknown.find("l3_norm"), std::string::npos);
  saved.metadata.clear();
  EXPECT_NE(testing::message_of(ExitCode::kData, make).find("objective.energy"), std::string::npos);
}

TEST(ImageEnergy, BytesSurviveConversionToUnitImagesAndBack) {
  const at::Tensor bytes = at::arange(256, at::kByte).view({1, 16, 16, 1});
  EXPECT_TRUE(at::equal(bytes_from_unit(unit_images(bytes, at::kCPU)), bytes));
}

}  // namespace
}  // namespace valley
