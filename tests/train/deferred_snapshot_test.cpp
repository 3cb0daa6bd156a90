// A snapshot with deferred copies, made just before training changes the tensors, equals an
// immediate snapshot.
#include <gtest/gtest.h>

#include <functional>

#include "comm/self_communicator.h"
#include "kernels/device.h"
#include "support/host_graph.h"
#include "support/small_dbn.h"
#include "support/small_gans.h"

namespace valley {
namespace {

using testing::BufferKind;
using testing::expect_same_checkpoint;
using testing::kPass;
using testing::NamedTraining;

std::unique_ptr<Trainer> make_snapshot_trainer(const Experiment& e, Communicator& self,
                                               std::uint64_t images) {
  set_arithmetic({Precision::kFp32, true, 1});
  return std::make_unique<Trainer>(
      e, plan_microbatches(e.train.global_batch, kPass, 1, e.train.reproducible), self, images);
}

// Before each of `steps` calls of `step`, compares an immediate snapshot with a deferred one.
// Returns the number of steps that made the deferred copies.
std::int64_t compare(Trainer& trainer, const Schema& schema, std::int64_t steps,
                     const std::function<void()>& step) {
  std::int64_t held = 0;
  for (std::int64_t i = 0; i < steps; ++i) {
    SCOPED_TRACE(i);
    const TensorMap owned = trainer.gather_owned();
    const Checkpoint at_once = trainer.snapshot(schema, "data", owned);
    DeferredCopies later;
    const Checkpoint deferred = trainer.snapshot(schema, "data", owned, &later);
    bool is_made = false;
    trainer.hold_changes([&] {
      EXPECT_FALSE(is_made);
      later.make();
      is_made = true;
    });
    step();
    held += is_made ? 1 : 0;
    if (!is_made) later.make();  // nothing changed
    trainer.hold_changes(nullptr);
    EXPECT_EQ(deferred.model.tensors.size(), at_once.model.tensors.size());
    expect_same_checkpoint(deferred, at_once);
  }
  return held;
}

class DeferredSnapshot : public ::testing::TestWithParam<NamedTraining> {};

TEST_P(DeferredSnapshot, EqualsImmediateSnapshot) {
  Experiment e = GetParam().experiment;
  const Schema schema = e.schema();
  const auto self = make_self_communicator(at::kCPU);
  const auto trainer = make_snapshot_trainer(e, *self, testing::kImages);
  const std::int64_t held =
      compare(*trainer, schema, 6, [&] { testing::run_steps(*trainer, 0, 1); });
  EXPECT_EQ(held, 6);  // steps that only measure update the averages as well
}

std::vector<NamedTraining> snapshot_trainings() {
  std::vector<NamedTraining> all = testing::small_gans();
  all.push_back({"batch_norm", testing::experiment_with(BufferKind::kBatchNorm)});
  all.push_back({"carry", testing::experiment_with(BufferKind::kCarry)});
  all.push_back({"singular_vectors", testing::experiment_with(BufferKind::kSingularVectors)});
  return all;
}
INSTANTIATE_TEST_SUITE_P(All, DeferredSnapshot, ::testing::ValuesIn(snapshot_trainings()),
                         testing::name_of);

TEST(DeferredSnapshots, AreNotRecordedInGraphs) {
  Experiment e = testing::small_experiment();
  e.train.report_every = 1000;
  const Schema schema = e.schema();
  const auto self = make_self_communicator(at::kCPU);
  const auto trainer = make_snapshot_trainer(e, *self, testing::kImages);
  trainer->record_steps_with(std::make_unique<testing::HostGraph>());
  EXPECT_EQ(compare(*trainer, schema, 8, [&] { testing::run_steps(*trainer, 0, 1); }), 8);
}

// The first step of each RBM's stage resets the optimizer state; the 2 steps of the first epoch
// change no weights.
TEST(DeferredSnapshots, EqualImmediateSnapshotsInDbnStages) {
  Experiment e = testing::small_dbn(true, true);
  const Schema schema = e.schema();
  const auto self = make_self_communicator(at::kCPU);
  const auto trainer = make_snapshot_trainer(e, *self, testing::kDigits);
  EXPECT_GE(
      compare(*trainer, schema, testing::kDbnSteps, [&] { testing::run_digits(*trainer, 0, 1); }),
      testing::kDbnSteps - 2);
}

}  // namespace
}  // namespace valley
