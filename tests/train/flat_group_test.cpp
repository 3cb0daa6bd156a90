#include "train/flat_group.h"

#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "train/flat_optimizer.h"

namespace valley {
namespace {

class FlatGroupTest : public ::testing::Test {
 protected:
  FlatGroupTest()
      : weight_(set_.add("conv.weight", {5, 3, 3, 3}, Initializer::xavier_uniform(27, 45))),
        bias_(set_.add("conv.bias", {5}, Initializer::zero())) {
    set_.initialize(1, "");
    before_ = weight_.detach().clone();
  }
  ParameterSet set_;
  at::Tensor weight_, bias_, before_;
};

TEST_F(FlatGroupTest, ParametersBecomeViewsWithSameValues) {
  const FlatGroup group("g", set_, at::kCPU, true);
  EXPECT_TRUE(at::equal(weight_, before_));
  EXPECT_TRUE(weight_.is_contiguous(at::MemoryFormat::ChannelsLast));
  EXPECT_EQ(group.layout().size() % 64, 0);
  group.values().fill_(2);
  EXPECT_EQ(weight_.detach().min().item<float>(), 2.0F);
  EXPECT_EQ(bias_.detach().min().item<float>(), 2.0F);
}

TEST_F(FlatGroupTest, BackwardAccumulatesInFlatBuffer) {
  const FlatGroup group("g", set_, at::kCPU, true);
  set_.require_grad(true);
  const void* storage = weight_.grad().data_ptr();
  for (int pass = 1; pass <= 2; ++pass) {
    ((weight_ * weight_).sum() + bias_.sum() * 3).backward();
    EXPECT_EQ(weight_.grad().data_ptr(), storage);
    const at::Tensor gradients = group.gradients();
    EXPECT_TRUE(at::allclose(group.layout().view(gradients, 0), before_ * 2 * pass));
    EXPECT_TRUE(at::allclose(group.layout().view(gradients, 1), at::full({5}, 3.0 * pass)));
  }
  EXPECT_EQ(group.tail().abs().sum().item<float>(), 0.0F);
  group.zero();
  EXPECT_EQ(weight_.grad().abs().sum().item<float>(), 0.0F);
}

TEST_F(FlatGroupTest, SaveAndLoadRoundTrip) {
  const FlatGroup group("g", set_, at::kCPU, true);
  TensorMap saved;
  group.layout().save(group.values(), "g.", saved);
  EXPECT_FALSE(saved.at("g.conv.weight").is_alias_of(group.values()));
  EXPECT_TRUE(at::equal(saved.at("g.conv.weight"), before_));
  group.values().zero_();
  group.layout().load(group.values(), "g.", saved, "here");
  EXPECT_TRUE(at::equal(weight_, before_));
  saved.erase("g.conv.bias");
  EXPECT_THROW(group.layout().load(group.values(), "g.", saved, "here"), Error);
}

TEST_F(FlatGroupTest, StatisticsUpdateRunningValuesOnlyInFiniteSteps) {
  const at::Tensor running =
      set_.add_buffer("running", {3}, Initializer::constant(1), Buffer::Kind::kStatistic);
  const at::Tensor derived =
      set_.add_buffer("derived", {}, Initializer::constant(7), Buffer::Kind::kDerived);
  set_.initialize(1, "");
  const FlatGroup group("g", set_, at::kCPU, true);
  FlatOptimizer adam(group, at::full({}, 1e-2, at::kDouble), kernels::AdamSettings{});
  const at::Tensor flag = at::zeros({}, at::kInt);
  EXPECT_FALSE(derived.grad().defined());
  running.mutable_grad().fill_(2);
  EXPECT_EQ(group.gradients().abs().sum().item<float>(), 0.0F);
  adam.step(flag);
  group.take_statistics(0.1, flag);
  EXPECT_TRUE(at::allclose(running, at::full({3}, 1.2F)));
  EXPECT_EQ(derived.item<float>(), 7.0F);
  // An average updates its parameters, copies derived buffers and does not change running values:
  // estimate_running_moments does that.
  ParameterSet copies;
  const at::Tensor weight = copies.add("conv.weight", {5, 3, 3, 3}, Initializer::zero());
  copies.add("conv.bias", {5}, Initializer::zero());
  const at::Tensor averaged =
      copies.add_buffer("running", {3}, Initializer::constant(1), Buffer::Kind::kStatistic);
  const at::Tensor taken =
      copies.add_buffer("derived", {}, Initializer::zero(), Buffer::Kind::kDerived);
  copies.initialize(1, "");
  const FlatGroup average("g", copies, at::kCPU, false);
  average.average(group, 0.5, flag);
  EXPECT_TRUE(at::allclose(averaged, at::full({3}, 1.0F)));
  EXPECT_TRUE(at::allclose(weight, 0.5 * weight_.detach()));
  EXPECT_EQ(taken.item<float>(), 7.0F);
  // Infinite statistics make the step not finite, even with finite gradients.
  group.zero();
  running.mutable_grad().fill_(std::numeric_limits<float>::infinity());
  adam.step(flag);
  group.take_statistics(0.1, flag);
  EXPECT_EQ(flag.item<int>(), 1);
  EXPECT_TRUE(at::allclose(running, at::full({3}, 1.2F)));
}

}  // namespace
}  // namespace valley
