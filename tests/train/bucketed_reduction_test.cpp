// Compares reductions during the backward pass with reductions after it.
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

// A network with four parameters of 64 elements in a flat buffer.
class BucketedReductionTest : public ::testing::Test {
 protected:
  BucketedReductionTest() {
    for (const char* name : {"a", "b", "c", "d"}) set_.add(name, {64}, Initializer::constant(1));
    group_.emplace("net", set_, device(), true);
    set_.require_grad(true);
  }
  static at::Device device() { return world().device().device(); }
  // Adds `factor` to each gradient, in the order d to a.
  void backward(double factor) const {
    at::Tensor loss = at::zeros({}, device());
    for (const Parameter& p : set_.all()) loss = loss + p.value.sum() * factor;
    loss.backward();
  }

  ParameterSet set_;
  std::optional<FlatGroup> group_;
};

TEST_F(BucketedReductionTest, SumsEachGradientOnceForAnyBucketSize) {
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

TEST_F(BucketedReductionTest, DoesNotReduceOtherNetworks) {
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

TEST_F(BucketedReductionTest, ReducesGradientsWrittenByHand) {
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

// The error occurs on every rank, so that no rank waits for a reduction of another one.
TEST_F(BucketedReductionTest, ExtraAccumulationIsRejected) {
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

TEST_F(BucketedReductionTest, SecondBeginRestIsRejected) {
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

TEST(BucketedTraining, EqualsTrainingWithoutBucketsBitwise) {
  for (const testing::NamedTraining& gan : testing::small_gans()) {
    const std::string with = digest_after(gan, Switch::kOn, true);
    for (const std::string& other : world().gather(with)) EXPECT_EQ(other, with) << gan.name;
    const std::string without = digest_after(gan, Switch::kOff, false);
    // With three or more ranks, MPI's order of additions depends on the message size.
    if (world().size() == 2) {
      EXPECT_EQ(with, without) << gan.name;
    }
  }
}

TEST(BucketedTraining, IsOnByDefaultOnGpus) {
  if (world().device().device().is_cpu()) GTEST_SKIP() << "on CPUs it takes a spare core";
  const Experiment e = testing::small_gans().front().experiment;
  EXPECT_EQ(e.performance.overlap, Switch::kAuto);
  Trainer trainer(e, plan_microbatches(8, 2, world().size(), false), world().device(), kImages);
  run_steps(trainer, world().rank(), 3);
  EXPECT_GT(trainer.early_reductions(), 0);
}

TEST(BucketedTraining, IsOffInReproducibleTraining) {
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
