// Reductions inside the backward pass against those after it.
#include "train/bucketed_reduction.h"

#include <ATen/Functions.h>
#include <gtest/gtest.h>

#include <stdexcept>

#include "comm/ranked_test.h"
#include "kernels/device.h"
#include "support/small_gans.h"
#include "support/small_training.h"

namespace valley {
namespace {

using testing::kImages;
using testing::run_steps;
using testing::world;

// A network of four parameters of 64 numbers in a flat buffer.
class FourParameters : public ::testing::Test {
 protected:
  FourParameters() {
    for (const char* name : {"a", "b", "c", "d"}) set_.add(name, {64}, Initializer::constant(1));
    group_.emplace("net", set_, device(), true);
    set_.require_grad(true);
  }
  static at::Device device() { return world().device().device(); }
  // Adds `factor` to each gradient, from d to a.
  void backward(double factor) const {
    at::Tensor loss = at::zeros({}, device());
    for (const Parameter& p : set_.all()) loss = loss + p.value.sum() * factor;
    loss.backward();
  }

  ParameterSet set_;
  std::optional<FlatGroup> group_;
};

TEST_F(FourParameters, AreSummedOnceHoweverTheyAreCut) {
  const double all = world().size() * (world().size() + 1) / 2.0;
  for (const std::int64_t bytes : {1, 512, 1 << 20}) {
    BucketedReduction reduction(world().device(), bytes, true);
    reduction.watch(*group_, set_);
    EXPECT_EQ(reduction.buckets(), bytes == 1 ? 4 : bytes == 512 ? 2 : 1);
    for (int step = 0; step < 3; ++step) {
      group_->zero();
      backward(10.0 * (world().rank() + 1));  // a microbatch that is not the last
      reduction.begin("phase", {"net"});
      for (int part = 0; part < 2; ++part) backward(world().rank() + 1);
      group_->tail()[3].add_(1);
      reduction.finish();
      EXPECT_EQ(reduction.started_early(), step == 0 ? 0 : reduction.buckets());
      EXPECT_EQ(group_->gradients().min().item<double>(), 12 * all);
      EXPECT_EQ(group_->gradients().max().item<double>(), 12 * all);
      EXPECT_EQ(group_->tail().sum().item<double>(), world().size());
    }
  }
}

TEST_F(FourParameters, OfAnotherNetworkAreLeftAlone) {
  BucketedReduction reduction(world().device(), 1, true);
  reduction.watch(*group_, set_);
  for (int step = 0; step < 2; ++step) {
    group_->zero();
    reduction.begin("phase", {"another"});
    backward(1);
    reduction.finish();
    EXPECT_EQ(group_->gradients().max().item<double>(), 1);
  }
}

TEST_F(FourParameters, GradientsWrittenByHandAreReducedToo) {
  BucketedReduction reduction(world().device(), 1, true);
  reduction.watch(*group_, set_);
  for (int step = 0; step < 2; ++step) {
    group_->zero();
    reduction.begin("phase", {"net"});
    group_->gradients().add_(1);
    reduction.finish();
    EXPECT_EQ(reduction.started_early(), 0);
    EXPECT_EQ(group_->gradients().min().item<double>(), world().size());
  }
}

// On every rank, and before a reduction is under way that another rank waits for.
TEST_F(FourParameters, ThatGrowMoreOftenThanBeforeAreNoticed) {
  BucketedReduction reduction(world().device(), 1 << 20, true);
  reduction.watch(*group_, set_);
  reduction.begin("phase", {"net"});
  backward(1);
  reduction.finish();
  reduction.begin("phase", {"net"});
  backward(1);
  EXPECT_THROW(backward(1), std::logic_error);
  reduction.finish();
}

TEST_F(FourParameters, AreLeftAloneUntilTheirReductionIsOver) {
  BucketedReduction reduction(world().device(), 1, true);
  reduction.watch(*group_, set_);
  for (int step = 0; step < 2; ++step) {
    group_->zero();
    reduction.begin("phase", {"net"});
    backward(1);
    reduction.begin_rest();
    EXPECT_THROW(reduction.begin_rest(), std::logic_error);
    reduction.finish();
    EXPECT_EQ(group_->gradients().min().item<double>(), world().size());
    EXPECT_EQ(group_->gradients().max().item<double>(), world().size());
  }
}

std::string digest_after(const testing::NamedTraining& gan, Switch overlap, bool expects_early) {
  set_arithmetic({Precision::kFp32, false, 1});
  Experiment e = gan.experiment;
  e.performance.overlap = overlap;
  Trainer trainer(e, plan_microbatches(8, 2, world().size(), false), world().device(), kImages);
  run_steps(trainer, world().rank(), 4);
  EXPECT_EQ(trainer.early_reductions() > 0, expects_early) << gan.name;
  return trainer.digest();
}

TEST(BucketedTraining, HasTheBitsOfTrainingWithout) {
  for (const testing::NamedTraining& gan : testing::small_gans()) {
    const std::string with = digest_after(gan, Switch::kOn, true);
    for (const std::string& other : world().gather(with)) EXPECT_EQ(other, with) << gan.name;
    const std::string without = digest_after(gan, Switch::kOff, false);
    // From three ranks on MPI's order of summing an element depends on the length of a message.
    if (world().size() == 2) {
      EXPECT_EQ(with, without) << gan.name;
    }
  }
}

TEST(BucketedTraining, IsTheDefaultOnGpus) {
  if (world().device().device().is_cpu()) GTEST_SKIP() << "on CPUs it takes a spare core";
  const Experiment e = testing::small_gans().front().experiment;
  EXPECT_EQ(e.performance.overlap, Switch::kAuto);
  Trainer trainer(e, plan_microbatches(8, 2, world().size(), false), world().device(), kImages);
  run_steps(trainer, world().rank(), 3);
  EXPECT_GT(trainer.early_reductions(), 0);
}

TEST(BucketedTraining, IsOffWhereBitsMustNotDependOnRanks) {
  testing::NamedTraining gan = testing::small_gans().front();
  Experiment e = gan.experiment;
  e.performance.overlap = Switch::kOn;
  e.train.reproducible = true;
  Trainer trainer(e, plan_microbatches(8, 2, world().size(), true), world().device(), kImages);
  run_steps(trainer, world().rank(), 2);
  EXPECT_EQ(trainer.early_reductions(), 0);
}

}  // namespace
}  // namespace valley
