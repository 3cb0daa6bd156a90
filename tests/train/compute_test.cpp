// The compute options of networks change training only by rounding.
#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "comm/self_communicator.h"
#include "support/small_gans.h"

namespace valley {
namespace {

using testing::kImages;
using testing::run_steps;
using testing::small_objective;

constexpr std::int64_t kComputeSteps = 10;

// The metrics after kComputeSteps training steps.
std::map<std::string, double> trained(const Experiment& e) {
  const auto self = make_self_communicator(at::kCPU);
  Trainer trainer(e, plan_microbatches(e.train.global_batch, testing::kPass, 1, false), *self,
                  kImages);
  run_steps(trainer, 0, kComputeSteps);
  std::map<std::string, double> values;
  for (const auto& v : trainer.report()) values[v.name] = v.value;
  return values;
}

Experiment began() {
  Experiment e = testing::small_experiment();
  e.model.width = 16;  // Winograd convolutions need multiples of the vector width
  return e;
}

void expect_near(const std::map<std::string, double>& found,
                 const std::map<std::string, double>& expected, double tolerance) {
  ASSERT_EQ(found.size(), expected.size());
  for (const auto& [name, value] : expected)
    EXPECT_NEAR(found.at(name), value, tolerance * std::abs(value) + 1e-7) << name;
}

TEST(Compute, EachSwitchKeepsMetricsWithinTolerance) {
  const std::map<std::string, double> expected = trained(began());
  for (bool PerformanceOptions::*key :
       {&PerformanceOptions::fused_elu, &PerformanceOptions::folded_upsampling,
        &PerformanceOptions::winograd, &PerformanceOptions::narrow_convs,
        &PerformanceOptions::frozen_networks}) {
    Experiment e = began();
    e.performance.*key = false;
    expect_near(trained(e), expected, 2e-3);
  }
}

// Computing unused gradients of frozen networks does not change the result bitwise.
TEST(Compute, FrozenNetworksAreBitwiseEqual) {
  Experiment e = began();
  const std::map<std::string, double> expected = trained(e);
  e.performance.frozen_networks = false;
  EXPECT_EQ(trained(e), expected);
}

// The optimizer's bf16 copy of a weight equals the conversion in the forward pass.
TEST(Compute, Bf16CopyIsBitwiseEqualToConvertedWeights) {
  for (const char* name : {"began", "ebgan"}) {
    Experiment e = std::string(name) == "began" ? began() : small_objective(name);
    // These kernels read fp32 weights.
    e.performance.winograd = false;
    e.performance.narrow_convs = false;
    e.train.precision = TrainingPrecision::kBf16;
    const std::map<std::string, double> expected = trained(e);
    e.performance.bf16_shadow = false;
    EXPECT_EQ(trained(e), expected) << name;
  }
}

// Weights folded after an update are bitwise equal to weights folded in the forward pass.
TEST(Compute, FoldedWeightsAreUpdatedAfterEachStep) {
  for (const bool winograd : {false, true}) {
    for (const auto precision : {TrainingPrecision::kFp32, TrainingPrecision::kBf16}) {
      Experiment e = began();
      e.performance.winograd = winograd;
      e.train.precision = precision;
      const auto self = make_self_communicator(at::kCPU);
      Trainer trainer(e, plan_microbatches(e.train.global_batch, testing::kPass, 1, false), *self,
                      kImages);
      run_steps(trainer, 0, 2);
      int folded = 0;
      for (const NamedNetwork& n : trainer.model().networks()) {
        for (const Parameter& p : n.network->parameters().all()) {
          if (!p.derived_of || !p.derived->defined()) continue;
          ++folded;
          EXPECT_EQ(p.derived->scalar_type(), e.compute().type);
          EXPECT_TRUE(at::equal(*p.derived, p.derived_of(p.value).to(e.compute().type))) << p.name;
        }
      }
      EXPECT_EQ(folded > 0, !winograd);
    }
  }
}

TEST(Compute, Bf16EnergyIsNearFp32) {
  for (const char* name : {"began", "ebgan", "magan"}) {
    Experiment e = std::string(name) == "began" ? began() : small_objective(name);
    const std::map<std::string, double> expected = trained(e);
    e.train.precision = TrainingPrecision::kBf16;
    const std::map<std::string, double> found = trained(e);
    EXPECT_NEAR(found.at("energy/real"), expected.at("energy/real"),
                0.05 * expected.at("energy/real"))
        << name;
    EXPECT_NE(found.at("energy/real"), expected.at("energy/real")) << name;
  }
}

}  // namespace
}  // namespace valley
