#include "kernels/optimizers.h"

#include <ATen/Context.h>
#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <vector>

#include "any_threads.h"
#include "kernels/device.h"

namespace valley::kernels {
namespace {

constexpr std::int64_t kMany = 100'003;  // not a multiple of any vector size

struct State {
  at::Tensor value, gradient, first, second;
  at::Tensor rate = at::full({}, 1e-3, at::kDouble);
  at::Tensor updates = at::full({}, 7, at::kLong);
  at::Tensor skip = at::zeros({}, at::kInt);
  at::Tensor shadow = {};
  bool clear_gradient = false;

  [[nodiscard]] Update update() const {
    return {value, gradient, rate, updates, skip, shadow, clear_gradient};
  }
  [[nodiscard]] State on(at::Device device) const {
    return {value.to(device),  gradient.to(device), first.to(device),
            second.to(device), rate.to(device),     updates.to(device),
            skip.to(device),   shadow.to(device),   clear_gradient};
  }
};

State some_state(std::int64_t n) {
  at::manual_seed(1);
  return {at::randn({n}), at::randn({n}), at::randn({n}) * 0.1, at::rand({n})};
}

at::Tensor exact(const at::Tensor& t) { return t.to(at::kDouble); }

bool close(const at::Tensor& got, const at::Tensor& expected) {
  return at::allclose(exact(got), exact(expected), 1e-6, 1e-7);
}

TEST(Adam, IsThePaperFormulaInDoublePrecision) {
  const State s = some_state(kMany);
  const at::Tensor g = exact(s.gradient);
  const at::Tensor m = 0.5 * exact(s.first) + 0.5 * g;
  const at::Tensor v = 0.999 * exact(s.second) + 0.001 * g * g;
  const at::Tensor m_hat = m / (1 - std::pow(0.5, 7));
  const at::Tensor v_hat = v / (1 - std::pow(0.999, 7));
  const at::Tensor expected = exact(s.value) - 1e-3 * m_hat / (v_hat.sqrt() + 1e-8);
  adam(s.update(), s.first, s.second, {0.5, 0.999, 1e-8, true});
  EXPECT_TRUE(close(s.value, expected));
  EXPECT_TRUE(close(s.first, m));
  EXPECT_TRUE(close(s.second, v));
}

TEST(Adam, UsesUncorrectedMomentsWithoutBiasCorrection) {
  const State s = some_state(kMany);
  const at::Tensor g = exact(s.gradient);
  const at::Tensor m = 0.5 * exact(s.first) + 0.5 * g;
  const at::Tensor v = 0.999 * exact(s.second) + 0.001 * g * g;
  const at::Tensor expected = exact(s.value) - 1e-3 * m / (v.sqrt() + 1e-8);
  adam(s.update(), s.first, s.second, {0.5, 0.999, 1e-8, false});
  EXPECT_TRUE(close(s.value, expected));
}

// An epsilon that is larger than some gradients and smaller than others, to test where it is added.
constexpr double kLargeEpsilon = 0.05;

TEST(Adamax, IsThePaperFormulaWithEpsilonBesideTheGradient) {
  const State s = some_state(kMany);
  const at::Tensor g = exact(s.gradient);
  const at::Tensor m = 0.5 * exact(s.first) + 0.5 * g;
  const at::Tensor u = at::maximum(0.9 * exact(s.second), g.abs() + kLargeEpsilon);
  const at::Tensor expected = exact(s.value) - 1e-3 / (1 - std::pow(0.5, 7)) * m / u;
  adamax(s.update(), s.first, s.second, {0.5, 0.9, kLargeEpsilon, true});
  EXPECT_TRUE(close(s.value, expected));
  EXPECT_TRUE(close(s.first, m));
  EXPECT_TRUE(close(s.second, u));
}

TEST(Adamax, IsTheMaganAuthorsUpdateWithoutBiasCorrection) {
  const State s = some_state(kMany);
  const at::Tensor g = exact(s.gradient);
  const at::Tensor m = 0.5 * exact(s.first) + 0.5 * g;
  const at::Tensor u = at::maximum(0.9 * exact(s.second) + kLargeEpsilon, g.abs());
  const at::Tensor expected = exact(s.value) - 1e-3 * m / u;
  adamax(s.update(), s.first, s.second, {0.5, 0.9, kLargeEpsilon, false});
  EXPECT_TRUE(close(s.value, expected));
  EXPECT_TRUE(close(s.second, u));
}

TEST(Adamax, DoesNotMoveElementsWithoutGradient) {
  for (const bool corrected : {true, false}) {
    State s = some_state(100);
    s.gradient.zero_();
    s.first.zero_();
    s.second.zero_();
    const at::Tensor before = s.value.clone();
    adamax(s.update(), s.first, s.second, {0.5, 0.999, 1e-8, corrected});
    EXPECT_TRUE(at::equal(s.value, before)) << corrected;
  }
}

TEST(Sgd, DescendsTheGradient) {
  const State s = some_state(kMany);
  const at::Tensor expected = exact(s.value) - 1e-3 * exact(s.gradient);
  sgd(s.update(), at::Tensor(), {});
  EXPECT_TRUE(close(s.value, expected));
}

TEST(Sgd, KeepsAVelocityWithMomentum) {
  const State s = some_state(kMany);
  const at::Tensor velocity = 0.9 * exact(s.first) + exact(s.gradient);
  const at::Tensor expected = exact(s.value) - 1e-3 * velocity;
  sgd(s.update(), s.first, {0.9});
  EXPECT_TRUE(close(s.value, expected));
  EXPECT_TRUE(close(s.first, velocity));
}

struct OptimizerCase {
  const char* name;
  std::function<void(const State&)> step;
};

const std::vector<OptimizerCase>& cases() {
  static const std::vector<OptimizerCase> all = {
      {"adam", [](const State& s) { adam(s.update(), s.first, s.second, {}); }},
      {"adamax", [](const State& s) { adamax(s.update(), s.first, s.second, {}); }},
      {"plain adamax",
       [](const State& s) {
         adamax(s.update(), s.first, s.second, {0.5, 0.999, 1e-8, false});
       }},
      {"sgd", [](const State& s) { sgd(s.update(), at::Tensor(), {}); }},
      {"momentum", [](const State& s) { sgd(s.update(), s.first, {0.9}); }},
  };
  return all;
}

TEST(Optimizers, ChangeNothingWithSkip) {
  for (const OptimizerCase& c : cases()) {
    const State s = some_state(1000);
    const State before = some_state(1000);
    s.skip.fill_(1);
    s.gradient.fill_(std::numeric_limits<float>::quiet_NaN());
    c.step(s);
    EXPECT_TRUE(at::equal(s.value, before.value)) << c.name;
    EXPECT_TRUE(at::equal(s.first, before.first)) << c.name;
    EXPECT_TRUE(at::equal(s.second, before.second)) << c.name;
  }
}

TEST(Optimizers, DoNotDependOnTheNumberOfThreads) {
  for (const OptimizerCase& c : cases()) {
    SCOPED_TRACE(c.name);
    testing::expect_same_for_any_threads([&] {
      const State s = some_state((1 << 18) + 5);
      c.step(s);
      return std::vector<at::Tensor>{s.value, s.first, s.second};
    });
  }
}

State shadowed_state(std::int64_t n, bool clear) {
  State s = some_state(n);
  s.shadow = at::full({n}, 7, at::kBFloat16);
  s.clear_gradient = clear;
  return s;
}

TEST(Optimizers, WriteTheRoundedBf16Copy) {
  for (const OptimizerCase& c : cases()) {
    const State plain = some_state(kMany);
    const State s = shadowed_state(kMany, false);
    // Ties in both directions and the largest finite value; a step of 0 leaves them unchanged.
    s.rate.zero_();
    plain.rate.zero_();
    for (const State* state : {&s, &plain}) {
      const float special[] = {0x1.01p0F, 0x1.03p0F, -0x1.01p0F, 0x1.fffffep127F, 1e-42F, -0.0F};
      for (std::int64_t i = 0; i < 6; ++i) state->value[i] = special[i];
    }
    c.step(plain);
    c.step(s);
    EXPECT_TRUE(at::equal(s.value, plain.value)) << c.name;
    EXPECT_TRUE(at::equal(s.shadow.view(at::kShort), s.value.to(at::kBFloat16).view(at::kShort)))
        << c.name;
    EXPECT_TRUE(at::equal(s.gradient, plain.gradient)) << c.name;
    s.rate.fill_(1e-3);
    c.step(s);
    EXPECT_FALSE(at::equal(s.value, plain.value)) << c.name;
    EXPECT_TRUE(at::equal(s.shadow, s.value.to(at::kBFloat16))) << c.name;
  }
}

TEST(Optimizers, ClearTheGradientAfterUse) {
  for (const OptimizerCase& c : cases()) {
    const State plain = some_state(kMany);
    const State s = shadowed_state(kMany, true);
    c.step(plain);
    c.step(s);
    EXPECT_TRUE(at::equal(s.value, plain.value)) << c.name;
    EXPECT_TRUE(at::equal(s.first, plain.first)) << c.name;
    EXPECT_TRUE(at::equal(s.gradient, at::zeros({kMany}))) << c.name;
  }
}

TEST(Optimizers, ClearTheGradientButNotTheBf16CopyWithSkip) {
  for (const OptimizerCase& c : cases()) {
    const State s = shadowed_state(1000, true);
    s.skip.fill_(1);
    s.gradient.fill_(std::numeric_limits<float>::infinity());
    c.step(s);
    EXPECT_TRUE(at::equal(s.gradient, at::zeros({1000}))) << c.name;
    EXPECT_TRUE(at::equal(s.shadow, at::full({1000}, 7, at::kBFloat16))) << c.name;
    EXPECT_TRUE(at::equal(s.value, some_state(1000).value)) << c.name;
  }
}

TEST(ClipByNorm, IsPyTorchsFormulaInDoublePrecision) {
  for (const double limit : {0.5, 400.0}) {  // the norm is about 316
    const at::Tensor gradient = some_state(kMany).gradient;
    const double norm = exact(gradient).norm().item<double>();
    const at::Tensor expected = exact(gradient) * std::min(1.0, limit / (norm + 1e-6));
    const at::Tensor found = at::zeros({});
    clip_by_norm(gradient, limit, found);
    EXPECT_NEAR(found.item<double>(), norm, 1e-6 * norm);
    EXPECT_TRUE(close(gradient, expected));
    EXPECT_EQ(at::equal(gradient, some_state(kMany).gradient), limit > norm);
  }
}

TEST(ClipByNorm, NormsOfInfiniteGradientsAreNotFinite) {
  const at::Tensor gradient = at::ones({100});
  gradient[7].fill_(std::numeric_limits<float>::infinity());
  const at::Tensor norm = at::zeros({});
  clip_by_norm(gradient, 1, norm);
  EXPECT_FALSE(std::isfinite(norm.item<float>()));
}

// Ranks with other numbers of threads must make equal updates.
TEST(ClipByNorm, DoesNotDependOnTheNumberOfThreads) {
  testing::expect_same_for_any_threads([] {
    const at::Tensor gradient = some_state((1 << 20) + 5).gradient;
    const at::Tensor norm = at::zeros({});
    clip_by_norm(gradient, 1, norm);
    return std::vector<at::Tensor>{gradient, norm};
  });
}

TEST(DecayWeights, ShrinksChosenBlocks) {
  const State s = some_state(kMany);
  const State before = some_state(kMany);
  at::Tensor chosen = at::zeros({(kMany + 63) / 64}, at::kByte);
  chosen.narrow(0, 2, 100).fill_(1);
  decay_weights(s.value, chosen, 64, s.rate, 0.1, s.skip);
  at::Tensor expected = before.value.clone();
  expected.narrow(0, 128, 6400).mul_(1 - 1e-4);
  EXPECT_TRUE(close(s.value, expected));
  EXPECT_TRUE(at::equal(s.value.narrow(0, 0, 128), before.value.narrow(0, 0, 128)));
  s.skip.fill_(1);
  const at::Tensor kept = s.value.clone();
  decay_weights(s.value, chosen, 64, s.rate, 0.1, s.skip);
  EXPECT_TRUE(at::equal(s.value, kept));
}

TEST(MovingAverage, HalvesTheDistanceInAHalfLife) {
  const at::Tensor average = at::zeros({100});
  const at::Tensor value = at::ones({100});
  const at::Tensor skip = at::zeros({}, at::kInt);
  for (int i = 0; i < 10; ++i) moving_average(average, value, std::exp2(-0.1), skip);
  EXPECT_NEAR(average[50].item<double>(), 0.5, 1e-6);
  skip.fill_(1);
  moving_average(average, value, 0.0, skip);
  EXPECT_NEAR(average[50].item<double>(), 0.5, 1e-6);
}

// The CPU is the reference of every CUDA kernel.
TEST(OptimizersOnCuda, Agree) {
  if (!has_cuda_device()) GTEST_SKIP() << "no GPU";
  for (const OptimizerCase& c : cases()) {
    const State here = shadowed_state(kMany, true);
    const State there = here.on(at::kCUDA);
    c.step(here);
    c.step(there);
    EXPECT_TRUE(close(there.value.cpu(), here.value)) << c.name;
    EXPECT_TRUE(close(there.first.cpu(), here.first)) << c.name;
    EXPECT_TRUE(close(there.second.cpu(), here.second)) << c.name;
    EXPECT_TRUE(at::equal(there.shadow.cpu(), there.value.cpu().to(at::kBFloat16))) << c.name;
    EXPECT_TRUE(at::equal(there.gradient.cpu(), here.gradient)) << c.name;
    moving_average(here.first, here.value, 0.9, here.skip);
    moving_average(there.first, there.value, 0.9, there.skip);
    EXPECT_TRUE(close(there.first.cpu(), here.first)) << c.name;
  }
}

}  // namespace
}  // namespace valley::kernels
