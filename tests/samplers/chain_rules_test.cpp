#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>
#include <gtest/gtest.h>

#include <limits>

#include "core/error.h"
#include "samplers/langevin.h"
#include "samplers/trajectory.h"
#include "support/energies.h"

namespace valley {
namespace {

using testing::QuadraticEnergy;

const LangevinSettings kSettings{7, 0.1, 0.05, 0.4, false};

ChainPlace rules_place() { return {7, RandomStream::kLangevin, at::full({}, 3, at::kLong), 0}; }

EnergyFunction function_of(const EnergyNetwork& network) {
  return [&network](const at::Tensor& x) { return network.energy(x); };
}

// Images that differ in every pixel.
at::Tensor some_images(std::int64_t n) {
  return at::arange(n * 2 * 4 * 4).to(at::kFloat).view({n, 2, 4, 4}) / static_cast<double>(n * 32);
}

TEST(ChainRules, EnergyFunctionAndNetworkChainsAreBitwiseEqual) {
  const QuadraticEnergy energy(2, 0.4, 1.5);
  energy.parameters().require_grad(false);
  for (const bool noise_last : {false, true}) {
    LangevinSettings settings = kSettings;
    settings.noise_last = noise_last;
    const Chains network = run_langevin(energy, some_images(3), settings, rules_place());
    const Chains function =
        run_langevin(function_of(energy), some_images(3), settings, rules_place());
    EXPECT_TRUE(at::equal(network.images, function.images));
    EXPECT_TRUE(at::equal(network.gradient_norms, function.gradient_norms));
  }
}

TEST(ChainRules, HeldPixelsStayBitwiseEqualAndOthersChange) {
  const QuadraticEnergy energy(2, 0.9, 1);
  energy.parameters().require_grad(false);
  const at::Tensor start = some_images(3);
  at::Tensor mask = at::zeros({4, 4}, at::kBool);
  mask.narrow(0, 1, 2).fill_(true);
  at::Tensor each = at::zeros({3, 1, 4, 4}, at::kBool);
  each[1][0].narrow(1, 0, 3).fill_(true);
  for (const bool noise_last : {false, true}) {
    LangevinSettings settings = kSettings;
    settings.noise_last = noise_last;
    for (const at::Tensor& held : {mask, each}) {
      ChainRules rules;
      rules.held = held;
      std::int64_t looks = 0;
      rules.watch = [&](std::int64_t steps, const at::Tensor& x) {
        EXPECT_EQ(steps, looks++);
        EXPECT_TRUE(at::equal(at::where(held, x, start), start)) << steps;
      };
      const at::Tensor end =
          run_langevin(function_of(energy), start, settings, rules_place(), rules).images;
      EXPECT_EQ(looks, settings.steps + 1);
      const at::Tensor moved = (end != start).logical_or(held);
      EXPECT_TRUE(moved.all().item<bool>());
    }
  }
}

TEST(ChainRules, GradientIsComputedAtHeldPixels) {
  // E = sum over rows of (x0 - x1)^2 / 2: x1 moves to x0, which is held.
  const EnergyFunction pairs = [](const at::Tensor& x) {
    return at::square(x.select(3, 0) - x.select(3, 1)).flatten(1).sum(1) / 2;
  };
  at::Tensor held = at::zeros({1, 1, 1, 2}, at::kBool);
  held[0][0][0][0] = true;
  ChainRules rules;
  rules.held = held;
  const at::Tensor start = at::full({1, 1, 1, 2}, 0.5);
  start[0][0][0][1] = 0.0;
  const at::Tensor end =
      run_langevin(pairs, start, {200, 0.2, 0, 0, false}, rules_place(), rules).images;
  EXPECT_EQ(end[0][0][0][0].item<float>(), 0.5F);
  EXPECT_NEAR(end[0][0][0][1].item<float>(), 0.5F, 1e-4);
}

TEST(ChainRules, AmendRunsAfterTheStepAndBeforeClipping) {
  const QuadraticEnergy energy(1, 0.5, 0);  // zero gradient
  energy.parameters().require_grad(false);
  ChainRules rules;
  rules.amend = [](const at::Tensor& x) { x.add_(0.3); };
  const at::Tensor end = run_langevin(function_of(energy), at::full({1, 1, 2, 2}, 0.5),
                                      {2, 1, 0, 0, false}, rules_place(), rules)
                             .images;
  EXPECT_TRUE(at::equal(end, at::ones({1, 1, 2, 2})));
}

TEST(Trajectory, SpreadStepsIncludeFirstAndLast) {
  EXPECT_EQ(spread_steps(10, 3), (std::vector<std::int64_t>{0, 5, 10}));
  EXPECT_EQ(spread_steps(3, 10), (std::vector<std::int64_t>{0, 1, 2, 3}));
  EXPECT_EQ(spread_steps(100, 4), (std::vector<std::int64_t>{0, 33, 67, 100}));
}

TEST(Trajectory, RecordsImagesAndTheirEnergies) {
  const QuadraticEnergy energy(2, 0.5, 1);
  energy.parameters().require_grad(false);
  TrajectoryRecorder recorder(function_of(energy), {0, 3, 7}, [](std::int64_t) { return ""; });
  ChainRules rules;
  rules.watch = [&](std::int64_t steps, const at::Tensor& x) { recorder.see(steps, x); };
  const at::Tensor end =
      run_langevin(function_of(energy), some_images(3), kSettings, rules_place(), rules).images;
  const Trajectory seen = recorder.take();
  EXPECT_EQ(seen.steps, (std::vector<std::int64_t>{0, 3, 7}));
  EXPECT_TRUE(at::equal(seen.images[0], some_images(3)));
  EXPECT_TRUE(at::equal(seen.images[2], end));
  EXPECT_EQ(seen.energies.sizes(), (std::vector<std::int64_t>{3, 3}));
  EXPECT_TRUE(at::equal(seen.energies[2], energy.energy(end)));
  EXPECT_LT(seen.energies[2].mean().item<double>(), seen.energies[0].mean().item<double>());
}

TEST(Trajectory, NonFiniteValuesEndTheChainWithItsNameAndStep) {
  // The second image's gradient is infinite, so that each step gives NaN.
  const at::Tensor scale = at::tensor({1.0F, std::numeric_limits<float>::infinity()});
  const EnergyFunction bad = [&](const at::Tensor& x) { return x.flatten(1).sum(1) * scale; };
  TrajectoryRecorder recorder(bad, {}, [](std::int64_t row) { return fmt::format("row {}", row); });
  ChainRules rules;
  rules.watch = [&](std::int64_t steps, const at::Tensor& x) { recorder.see(steps, x); };
  try {
    static_cast<void>(run_langevin(bad, at::zeros({2, 1, 2, 2}) + 0.5, {3, 0.0, 0, 0, false},
                                   rules_place(), rules));
    FAIL() << "the chain continued";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::kDiverged);
    EXPECT_NE(std::string(error.what()).find("row 1"), std::string::npos) << error.what();
    EXPECT_NE(std::string(error.what()).find("step 1"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace valley
