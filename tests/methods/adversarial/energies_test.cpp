#include "methods/adversarial/energies.h"

#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "core/error.h"
#include "methods/adversarial/pulling_away.h"

namespace valley {
namespace {

TEST(Energies, MatchTheirFormulas) {
  const at::Tensor image = at::zeros({2, 1, 1, 4});
  const at::Tensor other = at::zeros({2, 1, 1, 4});
  other[0].fill_(-2);
  other[1][0][0][0] = 3;
  const std::map<std::string, std::pair<double, double>> expected = {
      {"l1_mean", {2, 0.75}}, {"l2_norm", {4, 3}}, {"l2_sum", {16, 9}}, {"mse", {4, 2.25}}};
  ASSERT_EQ(energy_names().size(), expected.size());
  for (const auto& [name, values] : expected) {
    const at::Tensor got = sample_energies(parse_energy(name), image, other);
    ASSERT_EQ(got.dim(), 1) << name;
    EXPECT_NEAR(got[0].item<double>(), values.first, 1e-6) << name;
    EXPECT_NEAR(got[1].item<double>(), values.second, 1e-6) << name;
  }
  EXPECT_THROW(static_cast<void>(parse_energy("l2")), Error);
}

TEST(Energies, MarginFromRmseIsTheEnergyOfAConstantError) {
  const at::Tensor image = at::zeros({1, 3, 8, 8}, at::kDouble);
  for (const std::string& name : energy_names()) {
    const Energy energy = parse_energy(name);
    const double expected = sample_energies(energy, image, image + 0.18).item<double>();
    EXPECT_NEAR(margin_from_rmse(energy, 0.18, 3, 8, 8), expected, 1e-9 * expected) << name;
  }
  // Published margins of EBGAN.
  EXPECT_NEAR(margin_from_rmse(Energy::kL2Norm, 0.18, 3, 64, 64), 20, 0.1);
  EXPECT_NEAR(margin_from_rmse(Energy::kL2Norm, 0.18, 3, 128, 128), 40, 0.1);
  EXPECT_NEAR(margin_from_rmse(Energy::kL2Norm, 0.18, 3, 256, 256), 80, 0.2);
}

// Value and both gradients, for float and bfloat16 reconstructions.
TEST(MeanL1Energy, MatchesLibTorchOperators) {
  at::manual_seed(1);
  for (const at::ScalarType type : {at::kFloat, at::kBFloat16, at::kDouble}) {
    const at::Tensor image = at::randn({4, 3, 9, 8}).set_requires_grad(true);
    const at::Tensor generated = at::randn({4, 3, 9, 8})
                                     .contiguous(at::MemoryFormat::ChannelsLast)
                                     .to(type)
                                     .set_requires_grad(true);
    const at::Tensor got = mean_l1_energy(image, generated);
    const at::Tensor expected = at::abs(generated - image).mean();
    EXPECT_NEAR(got.item<double>(), expected.item<double>(), 1e-6);
    (got * -0.5).backward();
    const at::Tensor to_image = image.grad().clone();
    const at::Tensor to_generated = generated.grad().clone();
    image.mutable_grad().reset();
    generated.mutable_grad().reset();
    (expected * -0.5).backward();
    EXPECT_TRUE(at::allclose(to_image, image.grad(), 1e-6, 1e-9)) << toString(type);
    EXPECT_TRUE(at::allclose(to_generated, generated.grad(), 1e-6, 1e-9)) << toString(type);
  }
}

TEST(MeanL1Energy, SkipsGradientsThatAreNotNeeded) {
  const at::Tensor image = at::ones({1, 1, 2, 2});
  const at::Tensor generated = at::zeros({1, 1, 2, 2}).set_requires_grad(true);
  mean_l1_energy(image, generated).backward();
  EXPECT_FALSE(image.grad().defined());
  EXPECT_TRUE(at::equal(generated.grad(), at::full({1, 1, 2, 2}, -0.25)));
}

// A term without the square is a known defect of other implementations.
TEST(PullingAway, IsTheMeanSquaredCosineOfDifferentSamples) {
  const at::Tensor codes = at::zeros({3, 2});
  codes[0][0] = 2.0;  // at 0, 45 and 180 degrees, of different lengths
  codes[1].fill_(5.0);
  codes[2][0] = -0.1;
  const double c = std::sqrt(0.5);
  EXPECT_NEAR(pulling_away(PullingAway::kSquared, codes).item<double>(), 2.0 / 3, 1e-6);
  EXPECT_NEAR(pulling_away(PullingAway::kCosine, codes).item<double>(), (c - c - 1) / 3, 1e-6);
  EXPECT_EQ(pulling_away(PullingAway::kNone, codes).item<double>(), 0);
}

TEST(PullingAway, DependsOnDirectionsOnly) {
  const at::Tensor codes = at::rand({5, 2, 3, 3});
  const at::Tensor lengths = at::rand({5, 1, 1, 1}) + 0.5;
  for (const PullingAway kind : {PullingAway::kSquared, PullingAway::kCosine}) {
    EXPECT_NEAR(pulling_away(kind, codes * lengths).item<double>(),
                pulling_away(kind, codes).item<double>(), 1e-5);
  }
  EXPECT_NEAR(pulling_away(PullingAway::kSquared, at::ones({4, 3})).item<double>(), 1, 1e-6);
  EXPECT_EQ(pulling_away(PullingAway::kSquared, at::eye(4)).item<double>(), 0);
  EXPECT_EQ(pulling_away(PullingAway::kSquared, at::zeros({4, 3})).item<double>(), 0);
  EXPECT_THROW(static_cast<void>(parse_pulling_away("abs")), Error);
}

}  // namespace
}  // namespace valley
