#include "train/flat_optimizer.h"

#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <set>

#include "core/error.h"

namespace valley {
namespace {

class FlatOptimizerTest : public ::testing::Test {
 protected:
  FlatOptimizerTest()
      : weight_(set_.add("conv.weight", {5, 3, 3, 3}, Initializer::xavier_uniform(27, 45))) {
    set_.add("conv.bias", {5}, Initializer::zero());
    set_.initialize(1, "");
    before_ = weight_.detach().clone();
  }
  static at::Tensor rate() { return at::full({}, 1e-2, at::kDouble); }
  ParameterSet set_;
  at::Tensor weight_, before_;
};

OptimizerRule rule(OptimizerName name, double momentum = 0, bool bias_correction = true) {
  OptimizerOptions o;
  o.name = name;
  o.momentum = momentum;
  o.bias_correction = bias_correction;
  return optimizer_rule(o);
}

std::set<std::string> names(const TensorMap& state) {
  std::set<std::string> all;
  for (const auto& [name, tensor] : state) all.insert(name);
  return all;
}

TEST_F(FlatOptimizerTest, SkipsStepsAfterNonFiniteGradient) {
  const FlatGroup group("g", set_, at::kCPU, true);
  FlatOptimizer adam(group, at::full({}, 1e-2, at::kDouble), kernels::AdamSettings{});
  const at::Tensor flag = at::zeros({}, at::kInt);
  group.gradients().fill_(1);
  adam.step(flag);
  EXPECT_EQ(flag.item<int>(), 0);
  EXPECT_FALSE(at::equal(weight_, before_));
  const at::Tensor good = group.values().clone();
  group.gradients()[3].fill_(std::numeric_limits<float>::infinity());
  adam.step(flag);
  EXPECT_EQ(flag.item<int>(), 1);
  group.gradients().fill_(1);
  adam.step(flag);  // finite gradients, but the flag stays set
  EXPECT_TRUE(at::equal(group.values(), good));
  TensorMap state;
  adam.save(state);
  EXPECT_EQ(state.at("optimizer.g.updates").item<std::int64_t>(), 1);
}

TEST_F(FlatOptimizerTest, SkipsWhenTailIsNotFinite) {
  const FlatGroup group("g", set_, at::kCPU, true);
  FlatOptimizer adam(group, at::full({}, 1e-2, at::kDouble), kernels::AdamSettings{});
  const at::Tensor flag = at::zeros({}, at::kInt);
  group.tail()[0].fill_(std::numeric_limits<float>::quiet_NaN());
  adam.step(flag);
  EXPECT_EQ(flag.item<int>(), 1);
}

TEST_F(FlatOptimizerTest, SavesMomentsOfItsRule) {
  const FlatGroup group("g", set_, at::kCPU, true);
  const std::set<std::string> none = {"optimizer.g.updates"};
  std::set<std::string> one = none;
  one.insert({"optimizer.g.first.conv.weight", "optimizer.g.first.conv.bias"});
  std::set<std::string> two = one;
  two.insert({"optimizer.g.second.conv.weight", "optimizer.g.second.conv.bias"});
  const auto saved_by = [&](const OptimizerRule& r) {
    TensorMap state;
    FlatOptimizer(group, rate(), r).save(state);
    return names(state);
  };
  EXPECT_EQ(saved_by(rule(OptimizerName::kAdam)), two);
  EXPECT_EQ(saved_by(rule(OptimizerName::kAdamax)), two);
  EXPECT_EQ(saved_by(rule(OptimizerName::kSgd)), none);
  EXPECT_EQ(saved_by(rule(OptimizerName::kSgd, 0.9)), one);
}

// The saved state determines all later steps.
TEST_F(FlatOptimizerTest, ResumeIsBitwiseEqual) {
  for (const OptimizerRule& r :
       {rule(OptimizerName::kAdam), rule(OptimizerName::kAdam, 0, false),
        rule(OptimizerName::kAdamax), rule(OptimizerName::kAdamax, 0, false),
        rule(OptimizerName::kSgd), rule(OptimizerName::kSgd, 0.9)}) {
    const FlatGroup group("g", set_, at::kCPU, true);
    group.values().fill_(1);
    FlatOptimizer first(group, rate(), r);
    const at::Tensor flag = at::zeros({}, at::kInt);
    const auto step = [&](FlatOptimizer& optimizer, double gradient) {
      group.gradients().fill_(gradient);
      optimizer.step(flag);
    };
    step(first, 0.5);
    step(first, -2);
    TensorMap state;
    first.save(state);
    for (auto& [name, tensor] : state) tensor = tensor.clone();
    const at::Tensor values = group.values().clone();
    const at::Tensor reached = weight_.detach().clone();
    step(first, 0.1);
    step(first, 0.2);
    const at::Tensor expected = weight_.detach().clone();
    EXPECT_FALSE(at::allclose(expected, reached)) << r.index();
    group.values().copy_(values);
    FlatOptimizer second(group, rate(), r);
    second.load(state, "here");
    step(second, 0.1);
    step(second, 0.2);
    EXPECT_TRUE(at::equal(weight_, expected)) << r.index();
  }
}

TEST_F(FlatOptimizerTest, MissingMomentIsNamed) {
  const FlatGroup group("g", set_, at::kCPU, true);
  TensorMap state;
  FlatOptimizer(group, rate(), rule(OptimizerName::kSgd)).save(state);
  FlatOptimizer adam(group, rate(), rule(OptimizerName::kAdam));
  try {
    adam.load(state, "here");
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("optimizer.g.first.conv"), std::string::npos)
        << error.what();
  }
}

TEST_F(FlatOptimizerTest, ClipsTheGradientAndReportsItsNormBefore) {
  const FlatGroup group("g", set_, at::kCPU, true);
  FlatOptimizer sgd(group, rate(), rule(OptimizerName::kSgd), {.clip_norm = 0.5});
  const double norm = std::sqrt(140.0);  // 135 weights and 5 biases
  weight_.grad().fill_(1);
  set_.all()[1].value.grad().fill_(1);
  sgd.step(at::zeros({}, at::kInt));
  EXPECT_NEAR(sgd.gradient_norm().item<double>(), norm, 1e-5);
  EXPECT_TRUE(at::allclose(weight_.detach(), before_ - 1e-2 * 0.5 / norm));
  const at::Tensor not_finite = at::zeros({}, at::kInt);
  group.gradients()[3].fill_(std::numeric_limits<float>::infinity());
  sgd.step(not_finite);
  EXPECT_EQ(not_finite.item<int>(), 1);
}

TEST_F(FlatOptimizerTest, DecaysWeightsButNotBiases) {
  const FlatGroup group("g", set_, at::kCPU, true);
  const at::Tensor bias = set_.all()[1].value.detach();
  bias.fill_(3);
  FlatOptimizer adam(group, rate(), rule(OptimizerName::kAdam), {.weight_decay = 0.2});
  adam.set_rate({.factor = 0.5});
  adam.step(at::zeros({}, at::kInt));  // the gradient is 0
  EXPECT_TRUE(at::allclose(weight_.detach(), before_ * (1 - 0.5e-2 * 0.2)));
  EXPECT_TRUE(at::equal(bias, at::full({5}, 3.0F)));
}

// Not even by moments of an earlier training, or by weight decay.
TEST_F(FlatOptimizerTest, FrozenTensorsKeepTheirValues) {
  FlatGroup group("g", set_, at::kCPU, true);
  TensorMap state;
  {
    FlatOptimizer before(group, rate(), rule(OptimizerName::kAdam));
    group.gradients().fill_(1);
    before.step(at::zeros({}, at::kInt));
    before.save(state);
    for (auto& [name, tensor] : state) tensor = tensor.clone();
  }
  const at::Tensor bias = set_.all()[1].value.detach();
  const at::Tensor weight_now = weight_.detach().clone();
  const at::Tensor bias_now = bias.clone();
  group.freeze({"g.conv.weight"});
  FlatOptimizer adam(group, rate(), rule(OptimizerName::kAdam), {.weight_decay = 0.2});
  adam.load(state, "here");
  group.gradients().fill_(1);
  weight_.grad().fill_(std::numeric_limits<float>::quiet_NaN());
  const at::Tensor not_finite = at::zeros({}, at::kInt);
  adam.step(not_finite);
  EXPECT_TRUE(at::equal(weight_.detach(), weight_now));
  EXPECT_FALSE(at::equal(bias, bias_now));
  EXPECT_EQ(not_finite.item<int>(), 0);
}

TEST_F(FlatOptimizerTest, ScalesScheduledLearningRate) {
  const FlatGroup group("g", set_, at::kCPU, true);
  const at::Tensor scheduled = rate();
  FlatOptimizer half(group, scheduled, rule(OptimizerName::kSgd));
  half.set_rate({.factor = 0.5});
  EXPECT_EQ(half.rate().item<double>(), 0.5e-2);
  scheduled.fill_(4e-2);
  group.gradients().fill_(1);
  half.step(at::zeros({}, at::kInt));
  EXPECT_TRUE(at::allclose(weight_.detach(), before_ - 2e-2));
}

}  // namespace
}  // namespace valley
