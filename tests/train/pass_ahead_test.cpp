// Compares training with the generator's forward pass during D's reduction with training without.
#include <ATen/Functions.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>

#include "comm/ranked_test.h"
#include "gated_communicator.h"
#include "kernels/device.h"
#include "support/host_graph.h"
#include "support/small_gans.h"
#include "support/small_training.h"
#include "watched_objective.h"

namespace valley {
namespace {

using testing::Gate;
using testing::GatedCommunicator;
using testing::kImages;
using testing::NamedTraining;
using testing::run_steps;
using testing::Watch;
using testing::WatchedObjective;
using testing::world;

// Steps before the stage that trains both networks, see testing::small_gans.
std::int64_t steps_before(const NamedTraining& training) {
  return training.experiment.objective.name == "magan" ? 4 : 0;
}

constexpr std::int64_t kPrefetchSteps = 3;  // steps that train both networks; the last one reports

std::vector<NamedTraining> prefetch_trainings() {
  std::vector<NamedTraining> all = testing::small_gans();
  all.push_back({"alternating_began", testing::small_experiment()});
  all.push_back({"batch_norm", testing::experiment_with(testing::BufferKind::kBatchNorm)});
  all.push_back({"unfrozen", testing::small_experiment()});
  all.back().experiment.performance.frozen_networks = false;
  for (NamedTraining& t : all) t.experiment.train.report_every = 3;
  return all;
}

struct PrefetchOutcome {
  std::string digest;
  std::vector<double> report;
  bool is_finite;
};

struct Variant {
  Switch overlap = Switch::kOn;
  Watch watch = {};
  bool is_replayed = false;
  std::int64_t steps = kPrefetchSteps;
};

PrefetchOutcome train_variant(const NamedTraining& training, const Variant& variant) {
  set_arithmetic({Precision::kFp32, true, 1});
  Experiment e = training.experiment;
  e.performance.overlap = variant.overlap;
  WatchedObjective::next = variant.watch;
  Trainer trainer(e, plan_microbatches(8, testing::kPass, world().size(), false), world().device(),
                  kImages, WatchedObjective::make);
  if (variant.is_replayed) trainer.record_steps_with(std::make_unique<testing::HostGraph>());
  run_steps(trainer, world().rank(), steps_before(training) + variant.steps);
  PrefetchOutcome out{trainer.digest(), {}, !trainer.status(true).not_finite};
  for (const Trainer::Value& v : trainer.report()) out.report.push_back(v.value);
  return out;
}

void expect_equal(const PrefetchOutcome& a, const PrefetchOutcome& b) {
  EXPECT_EQ(a.digest, b.digest);
  EXPECT_EQ(a.report, b.report);
  EXPECT_EQ(a.is_finite, b.is_finite);
}

class PrefetchTest : public ::testing::TestWithParam<NamedTraining> {};

// A rank has two microbatches on two ranks and one on four.
TEST_P(PrefetchTest, IsBitwiseEqualToTrainingWithout) {
  Variant variant;
  int passes = 0;
  variant.watch.after_prefetch = [&](const Phase& phase) { passes += phase.name == "G" ? 1 : 0; };
  const PrefetchOutcome with_prefetch = train_variant(GetParam(), variant);
  EXPECT_EQ(passes,
            GetParam().experiment.train.schedule == UpdateSchedule::kShared ? 0 : kPrefetchSteps);
  EXPECT_TRUE(with_prefetch.is_finite);
  for (const std::string& other : world().gather(with_prefetch.digest))
    EXPECT_EQ(other, with_prefetch.digest);

  variant.watch.prefetches = false;
  expect_equal(train_variant(GetParam(), variant), with_prefetch);

  // With three or more ranks, MPI's order of additions depends on the message size.
  if (world().size() > 2) return;
  variant.watch.prefetches = true;
  variant.overlap = Switch::kOff;
  passes = 0;
  expect_equal(train_variant(GetParam(), variant), with_prefetch);
  EXPECT_EQ(passes, 0);
}

INSTANTIATE_TEST_SUITE_P(Gans, PrefetchTest, ::testing::ValuesIn(prefetch_trainings()),
                         testing::name_of);

std::vector<NamedTraining> some_trainings() {
  std::vector<NamedTraining> some;
  for (const NamedTraining& t : prefetch_trainings()) {
    if (t.name == "ebgan" || t.name == "magan" || t.name == "alternating_began") some.push_back(t);
  }
  return some;
}

class AlternatingPrefetchTest : public ::testing::TestWithParam<NamedTraining> {};

TEST_P(AlternatingPrefetchTest, IsPartOfRecordedStep) {
  Variant replayed;
  replayed.is_replayed = true;
  replayed.steps = StepGraph::kWarmUps + 3;
  int passes = 0;
  replayed.watch.after_prefetch = [&](const Phase&) { ++passes; };
  Variant queued;
  queued.steps = replayed.steps;
  const PrefetchOutcome outcome = train_variant(GetParam(), replayed);
  EXPECT_EQ(passes, replayed.steps);
  expect_equal(outcome, train_variant(GetParam(), queued));
}

// G generates its images before D's reduction completes; D reads them only afterwards.
TEST_P(AlternatingPrefetchTest, RunsDuringReductionOfD) {
  set_arithmetic({Precision::kFp32, true, 1});
  Gate gate;
  GatedCommunicator communicator(world().device(), gate);
  Watch watch;
  watch.before_pass = [&](const Phase& phase) {
    gate.note(phase.name);
    if (phase.name == "D") gate.shut();
  };
  watch.after_prefetch = [&](const Phase&) {
    gate.note("G's images");
    gate.open();
  };
  Experiment e = GetParam().experiment;
  e.performance.overlap = Switch::kOn;
  WatchedObjective::next = watch;
  Trainer trainer(e, plan_microbatches(8, testing::kPass, world().size(), false), communicator,
                  kImages, WatchedObjective::make);
  run_steps(trainer, world().rank(), steps_before(GetParam()) + kPrefetchSteps);
  std::vector<std::string> notes = gate.notes();
  const auto first = std::ranges::find(notes, "D");  // after MAGAN's other stages
  notes.erase(notes.begin(), first);
  const std::vector<std::string> step = {"D", "G's images", "summed", "G", "summed"};
  EXPECT_EQ(notes.size(), kPrefetchSteps * step.size());
  for (std::size_t i = 0; i < notes.size(); ++i) EXPECT_EQ(notes[i], step[i % step.size()]) << i;
}

// Checks that a step with NaN gradients does not change the networks; returns the other state.
TensorMap state_after_bad_step(const NamedTraining& training, Switch overlap, bool prefetches) {
  set_arithmetic({Precision::kFp32, true, 1});
  Experiment e = training.experiment;
  e.performance.overlap = overlap;
  const std::int64_t good = steps_before(training) + 1;
  const Trainer* running = nullptr;
  Watch watch;
  watch.prefetches = prefetches;
  // D's passes accumulate into these gradients.
  watch.before_pass = [&](const Phase& phase) {
    if (phase.name != "D" || running->steps_done() < good) return;
    const Parameter& first = running->model().network("discriminator").parameters().all().front();
    first.value.grad().fill_(std::numeric_limits<double>::quiet_NaN());
  };
  WatchedObjective::next = watch;
  Trainer trainer(e, plan_microbatches(8, testing::kPass, world().size(), false), world().device(),
                  kImages, WatchedObjective::make);
  running = &trainer;
  run_steps(trainer, world().rank(), good);
  EXPECT_FALSE(trainer.status(true).not_finite);
  const TensorMap before = trainer.snapshot(e.schema(), "").model.tensors;
  run_steps(trainer, world().rank(), 1);
  EXPECT_TRUE(trainer.status(true).not_finite);
  const TensorMap after = trainer.snapshot(e.schema(), "").model.tensors;
  for (const auto& [name, tensor] : after) EXPECT_TRUE(at::equal(tensor, before.at(name))) << name;
  return trainer.snapshot(e.schema(), "").state.tensors;
}

TEST_P(AlternatingPrefetchTest, NonFiniteGradientOfDSkipsStep) {
  const TensorMap with_prefetch = state_after_bad_step(GetParam(), Switch::kOn, true);
  const TensorMap without_prefetch = state_after_bad_step(GetParam(), Switch::kOn, false);
  for (const auto& [name, tensor] : with_prefetch) {
    // k or the margin of such a step is NaN.
    EXPECT_TRUE(at::allclose(tensor, without_prefetch.at(name), 0, 0, /*equal_nan=*/true)) << name;
  }
}

INSTANTIATE_TEST_SUITE_P(Gans, AlternatingPrefetchTest, ::testing::ValuesIn(some_trainings()),
                         testing::name_of);

}  // namespace
}  // namespace valley
