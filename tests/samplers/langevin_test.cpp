#include "samplers/langevin.h"

#include <gtest/gtest.h>

#include <limits>

#include "kernels/kernels.h"
#include "support/energies.h"

namespace valley {
namespace {

using testing::QuadraticEnergy;

ChainPlace langevin_place(std::int64_t position, std::int64_t offset = 0) {
  return {7, RandomStream::kLangevin, at::full({}, position, at::kLong), offset};
}

at::Tensor images(std::int64_t n, double value, std::int64_t channels = 1, std::int64_t side = 4) {
  return at::full({n, channels, side, side}, value);
}

TEST(Langevin, CoupledChainsSampleTheBoltzmannDistribution) {
  // exp(-E / T) of E = k/2 (x - mean)^2 is normal with variance T / k; the discrete chain has
  // variance (T / k) / (1 - k step / 2) with step = noise^2 / (2 T).
  const double k = 50;
  for (const double temperature : {0.125, 0.5}) {
    const QuadraticEnergy energy(1, 0.5, k);
    LangevinSettings settings;
    settings.steps = 1200;
    settings.noise = 0.02;
    settings.clamp = 0;
    settings = coupled(settings, temperature);
    ASSERT_NEAR(settings.step_size, 0.02 * 0.02 / (2 * temperature), 1e-12);
    // Clipping has no effect if 4 sigma of the normal distribution are within [0, 1].
    const Chains chains = run_langevin(energy, images(64, 0.9, 1, 8), settings, langevin_place(0));
    const double expected = temperature / k / (1 - k * settings.step_size / 2);
    EXPECT_NEAR(chains.images.mean().item<double>(), 0.5, 0.01) << temperature;
    EXPECT_NEAR(chains.images.var().item<double>() / expected, 1.0, 0.1) << temperature;
  }
}

TEST(Langevin, StepAddsNoiseBeforeOrAfterTheGradientStep) {
  const double k = 2;
  const QuadraticEnergy energy(1, 0.25, k);
  const at::Tensor start = images(3, 0.5);
  const at::Tensor drawn = at::empty({3, 16});
  kernels::fill_normal(drawn, {7, RandomStream::kLangevin, 0.1F, 0}, langevin_place(5).position, 2);
  const at::Tensor noise = drawn.view({3, 1, 4, 4});
  LangevinSettings settings{1, 0.3, 0.1, 0, false};
  at::Tensor x = start + noise;
  EXPECT_TRUE(at::allclose(run_langevin(energy, start, settings, langevin_place(5, 2)).images,
                           (x - 0.3 * k * (x - 0.25)).clamp(0, 1)));
  settings.noise_last = true;
  x = start - 0.3 * k * (start - 0.25);
  EXPECT_TRUE(at::allclose(run_langevin(energy, start, settings, langevin_place(5, 2)).images,
                           (x + noise).clamp(0, 1)));
}

TEST(Langevin, GradientElementsAreClamped) {
  const QuadraticEnergy energy(1, 0.5, 1);
  at::Tensor start = images(1, 0.5);
  start[0][0][0][0] = 0.9;    // gradient 0.4, clamped to 0.01
  start[0][0][0][1] = 0.495;  // gradient -0.005, not clamped
  const Chains chains = run_langevin(energy, start, {1, 10, 0, 0.01, false}, langevin_place(0));
  EXPECT_NEAR(chains.images[0][0][0][0].item<double>(), 0.9 - 10 * 0.01, 1e-6);
  EXPECT_NEAR(chains.images[0][0][0][1].item<double>(), 0.495 + 10 * 0.005, 1e-6);
  // The norm is that of the gradient before the clamp.
  EXPECT_NEAR(chains.gradient_norms[0].item<double>(), std::hypot(0.4, 0.005), 1e-6);
}

TEST(Langevin, PixelsStayBetweenZeroAndOne) {
  const QuadraticEnergy energy(3, 2.0, 1);  // the minimum is outside [0, 1]
  const Chains chains =
      run_langevin(energy, images(2, 0.5, 3), {3, 5, 0.3, 0, false}, langevin_place(0));
  EXPECT_EQ(chains.images.max().item<double>(), 1.0);
  EXPECT_GE(chains.images.min().item<double>(), 0.0);
}

TEST(Langevin, ChainDoesNotDependOnItsBatchAndDrawsNewNoisePerStep) {
  const QuadraticEnergy energy(3, 0.5, 1);
  const LangevinSettings settings{5, 0.1, 0.05, 0, false};
  const at::Tensor all =
      run_langevin(energy, images(4, 0.5, 3), settings, langevin_place(8)).images;
  const at::Tensor last =
      run_langevin(energy, images(2, 0.5, 3), settings, langevin_place(8, 2)).images;
  EXPECT_TRUE(at::equal(all.narrow(0, 2, 2), last));
  EXPECT_FALSE(at::equal(all[0], all[1]));
  // Noise repeated each step would move chains five times as far as one step, not sqrt(5) times.
  const QuadraticEnergy flat(3, 0.5, 0);
  const at::Tensor moved =
      run_langevin(flat, images(64, 0.5, 3), {16, 1, 0.01, 0, false}, langevin_place(0)).images -
      0.5;
  EXPECT_NEAR(moved.std().item<double>(), 0.04, 0.002);
}

TEST(Langevin, ParametersGetNoGradientAndStartIsNotModified) {
  const QuadraticEnergy energy(3, 0.5, 1);
  energy.parameters().require_grad(true);
  energy.context().statistics_weight = 0.5;
  const at::Tensor start = images(2, 0.75, 3);
  const Chains chains = run_langevin(energy, start, {2, 0.1, 0.05, 0, false}, langevin_place(0));
  const at::Tensor mean = energy.parameters().all().front().value;
  EXPECT_FALSE(mean.grad().defined());
  EXPECT_TRUE(mean.requires_grad());  // restored
  EXPECT_EQ(energy.context().statistics_weight, 0.5);
  EXPECT_FALSE(chains.images.requires_grad());
  EXPECT_TRUE(at::equal(start, images(2, 0.75, 3)));
}

TEST(Langevin, MaxStepsAreLimitedByThePhiloxCounter) {
  EXPECT_EQ(max_langevin_steps(4), std::int64_t{1} << 32);
  EXPECT_EQ(max_langevin_steps(5), std::int64_t{1} << 31);
  const QuadraticEnergy energy(1, 0.5, 1);
  EXPECT_ANY_THROW(static_cast<void>(run_langevin(
      energy, images(1, 0.5), {max_langevin_steps(16) + 1, 1, 1, 0}, langevin_place(0))));
  EXPECT_ANY_THROW(static_cast<void>(run_langevin(energy, images(1, 0.5), {0}, langevin_place(0))));
}

}  // namespace
}  // namespace valley
