// The generator's forward pass under D's reduction, against training without it.
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

// Before it alternates; testing::small_gans.
std::int64_t steps_before(const NamedTraining& training) {
  return training.experiment.objective.name == "magan" ? 4 : 0;
}

constexpr std::int64_t kAheadSteps = 3;  // in turns; one that reports

std::vector<NamedTraining> ahead_trainings() {
  std::vector<NamedTraining> all = testing::small_gans();
  all.push_back({"alternating_began", testing::small_experiment()});
  all.push_back({"batch_norm", testing::experiment_with(testing::Kept::kBatchNorm)});
  all.push_back({"unfrozen", testing::small_experiment()});
  all.back().experiment.performance.frozen_networks = false;
  for (NamedTraining& t : all) t.experiment.train.report_every = 3;
  return all;
}

struct AheadOutcome {
  std::string digest;
  std::vector<double> report;
  bool is_finite;
};

struct Variant {
  Switch overlap = Switch::kOn;
  Watch watch = {};
  bool is_repeated = false;
  std::int64_t steps = kAheadSteps;
};

AheadOutcome train_variant(const NamedTraining& training, const Variant& variant) {
  set_arithmetic({Precision::kFp32, true, 1});
  Experiment e = training.experiment;
  e.performance.overlap = variant.overlap;
  WatchedObjective::next = variant.watch;
  Trainer trainer(e, plan_microbatches(8, testing::kPass, world().size(), false), world().device(),
                  kImages, WatchedObjective::make);
  if (variant.is_repeated) trainer.record_steps_with(std::make_unique<testing::HostGraph>());
  run_steps(trainer, world().rank(), steps_before(training) + variant.steps);
  AheadOutcome out{trainer.digest(), {}, !trainer.status(true).not_finite};
  for (const Trainer::Value& v : trainer.report()) out.report.push_back(v.value);
  return out;
}

void expect_equal(const AheadOutcome& a, const AheadOutcome& b) {
  EXPECT_EQ(a.digest, b.digest);
  EXPECT_EQ(a.report, b.report);
  EXPECT_EQ(a.is_finite, b.is_finite);
}

class PassAheadOf : public ::testing::TestWithParam<NamedTraining> {};

// A rank has two microbatches, or one where there are four ranks.
TEST_P(PassAheadOf, ChangesNoBit) {
  Variant variant;
  int passes = 0;
  variant.watch.after_ahead = [&](const Phase& phase) { passes += phase.name == "G" ? 1 : 0; };
  const AheadOutcome ahead = train_variant(GetParam(), variant);
  EXPECT_EQ(passes,
            GetParam().experiment.train.schedule == UpdateSchedule::kShared ? 0 : kAheadSteps);
  EXPECT_TRUE(ahead.is_finite);
  for (const std::string& other : world().gather(ahead.digest)) EXPECT_EQ(other, ahead.digest);

  variant.watch.passes_ahead = false;
  expect_equal(train_variant(GetParam(), variant), ahead);

  // From three ranks on MPI's order of summing an element depends on the length of a message.
  if (world().size() > 2) return;
  variant.watch.passes_ahead = true;
  variant.overlap = Switch::kOff;
  passes = 0;
  expect_equal(train_variant(GetParam(), variant), ahead);
  EXPECT_EQ(passes, 0);
}

INSTANTIATE_TEST_SUITE_P(Gans, PassAheadOf, ::testing::ValuesIn(ahead_trainings()),
                         testing::name_of);

std::vector<NamedTraining> some_trainings() {
  std::vector<NamedTraining> some;
  for (const NamedTraining& t : ahead_trainings()) {
    if (t.name == "ebgan" || t.name == "magan" || t.name == "alternating_began") some.push_back(t);
  }
  return some;
}

class SomePassAheadOf : public ::testing::TestWithParam<NamedTraining> {};

TEST_P(SomePassAheadOf, IsPartOfARecordedStep) {
  Variant repeated;
  repeated.is_repeated = true;
  repeated.steps = StepGraph::kWarmUps + 3;
  int passes = 0;
  repeated.watch.after_ahead = [&](const Phase&) { ++passes; };
  Variant queued;
  queued.steps = repeated.steps;
  const AheadOutcome outcome = train_variant(GetParam(), repeated);
  EXPECT_EQ(passes, repeated.steps);
  expect_equal(outcome, train_variant(GetParam(), queued));
}

// D's reduction is not over before G's images are made, D has not passed them before it is.
TEST_P(SomePassAheadOf, RunsWhileTheReductionOfDIsUnderWay) {
  set_arithmetic({Precision::kFp32, true, 1});
  Gate gate;
  GatedCommunicator communicator(world().device(), gate);
  Watch watch;
  watch.before_pass = [&](const Phase& phase) {
    gate.note(phase.name);
    if (phase.name == "D") gate.shut();
  };
  watch.after_ahead = [&](const Phase&) {
    gate.note("G's images");
    gate.open();
  };
  Experiment e = GetParam().experiment;
  e.performance.overlap = Switch::kOn;
  WatchedObjective::next = watch;
  Trainer trainer(e, plan_microbatches(8, testing::kPass, world().size(), false), communicator,
                  kImages, WatchedObjective::make);
  run_steps(trainer, world().rank(), steps_before(GetParam()) + kAheadSteps);
  std::vector<std::string> notes = gate.notes();
  const auto first = std::ranges::find(notes, "D");  // behind MAGAN's other stages
  notes.erase(notes.begin(), first);
  const std::vector<std::string> step = {"D", "G's images", "summed", "G", "summed"};
  EXPECT_EQ(notes.size(), kAheadSteps * step.size());
  for (std::size_t i = 0; i < notes.size(); ++i) EXPECT_EQ(notes[i], step[i % step.size()]) << i;
}

// Checks that the networks are those before it; returns the rest.
TensorMap state_after_bad_step(const NamedTraining& training, Switch overlap, bool passes_ahead) {
  set_arithmetic({Precision::kFp32, true, 1});
  Experiment e = training.experiment;
  e.performance.overlap = overlap;
  const std::int64_t good = steps_before(training) + 1;
  const Trainer* running = nullptr;
  Watch watch;
  watch.passes_ahead = passes_ahead;
  // What D's passes add to.
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

TEST_P(SomePassAheadOf, LeavesAStepUntakenWhoseDIsNotFinite) {
  const TensorMap ahead = state_after_bad_step(GetParam(), Switch::kOn, true);
  const TensorMap one_by_one = state_after_bad_step(GetParam(), Switch::kOn, false);
  for (const auto& [name, tensor] : ahead) {
    // k or the margin of such a step is not a number.
    EXPECT_TRUE(at::allclose(tensor, one_by_one.at(name), 0, 0, /*equal_nan=*/true)) << name;
  }
}

INSTANTIATE_TEST_SUITE_P(Gans, SomePassAheadOf, ::testing::ValuesIn(some_trainings()),
                         testing::name_of);

}  // namespace
}  // namespace valley
