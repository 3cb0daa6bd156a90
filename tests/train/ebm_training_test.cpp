// EBM training in the trainer: the replay buffer in checkpoints, and the end of training when the
// loss diverges.
#include <gtest/gtest.h>

#include "comm/self_communicator.h"
#include "kernels/device.h"
#include "methods/ebm/options.h"
#include "methods/registry.h"
#include "plan/memory_plan.h"
#include "support/small_ebm.h"

namespace valley {
namespace {

using testing::checkpoint_of;
using testing::expect_same;
using testing::run_steps;
using testing::small_ebm;

class EbmTraining : public ::testing::Test {
 protected:
  EbmTraining() : self_(make_self_communicator(at::kCPU)) {
    set_arithmetic({Precision::kFp32, true, 1});
  }
  [[nodiscard]] std::unique_ptr<Trainer> make(const Experiment& e) const {
    return std::make_unique<Trainer>(
        e, plan_microbatches(e.train.global_batch, testing::kChainPass, 1, true), *self_,
        testing::kImages);
  }
  std::unique_ptr<Communicator> self_;
};

TEST_F(EbmTraining, ResumeWithReplayBufferIsBitwiseEqual) {
  Experiment e = small_ebm();
  const Schema schema = e.schema();
  constexpr std::int64_t kSteps = 5;
  auto straight = make(e);
  std::vector<Checkpoint> saved;
  for (std::int64_t i = 0; i < kSteps; ++i) {
    saved.push_back(checkpoint_of(*straight, schema));
    run_steps(*straight, 0, 1);
  }
  const Checkpoint expected = checkpoint_of(*straight, schema);
  EXPECT_EQ(expected.state.tensors.at("objective.replay").sizes(),
            at::IntArrayRef({4, 6, 32, 32, 3}));
  for (const std::int64_t step : {1, 4}) {  // before and after the ring buffer wraps around
    SCOPED_TRACE(step);
    auto other = make(e);
    other->restore(saved[static_cast<std::size_t>(step)], schema, "data", "here");
    EXPECT_TRUE(
        at::equal(other->gather_owned().at("objective.replay"),
                  saved[static_cast<std::size_t>(step)].state.tensors.at("objective.replay")));
    run_steps(*other, 0, kSteps - step);
    const Checkpoint got = checkpoint_of(*other, schema);
    expect_same(got.state.tensors, expected.state.tensors);
    expect_same(got.model.tensors, expected.model.tensors);
  }
}

// As in a rescue, with the rate lowered: a new trainer from the same state gives the same bits.
TEST_F(EbmTraining, RestoreWithALowerRateEqualsThatOfANewTrainer) {
  Experiment e = small_ebm();
  const Schema schema = e.schema();
  auto went_on = make(e);
  run_steps(*went_on, 0, 2);
  const Checkpoint saved = checkpoint_of(*went_on, schema);
  run_steps(*went_on, 0, 3);
  const std::string straight = went_on->digest();
  auto fresh = make(e);
  for (Trainer* trainer : {went_on.get(), fresh.get()}) {
    trainer->restore(saved, schema, "data", "here");
    trainer->lower_learning_rate(0.3);
    trainer->set_rescues(2);
    run_steps(*trainer, 0, 3);
  }
  const Checkpoint got = checkpoint_of(*went_on, schema);
  const Checkpoint expected = checkpoint_of(*fresh, schema);
  expect_same(got.state.tensors, expected.state.tensors);
  expect_same(got.model.tensors, expected.model.tensors);
  EXPECT_EQ(rescues_before(got.state.metadata), 2U);
  EXPECT_EQ(rescues_before(saved.state.metadata), 0U);
  // Without the count, the draws are those of the first time.
  went_on->restore(saved, schema, "data", "here");
  EXPECT_EQ(went_on->rescues(), 0U);
  run_steps(*went_on, 0, 3);
  EXPECT_EQ(went_on->digest(), straight);
  went_on->restore(saved, schema, "data", "here");
  went_on->set_rescues(1);
  run_steps(*went_on, 0, 3);
  EXPECT_NE(went_on->digest(), straight);
  went_on->restore(got, schema, "data", "here");
  // The state has the lowered rate and the draws.
  auto resumed = make(e);
  resumed->restore(got, schema, "data", "here");
  for (Trainer* trainer : {went_on.get(), resumed.get()}) run_steps(*trainer, 0, 1);
  EXPECT_EQ(resumed->digest(), went_on->digest());
}

TEST_F(EbmTraining, ResumeWithOtherReplayBufferDiffers) {
  Experiment e = small_ebm();
  const Schema schema = e.schema();
  auto straight = make(e);
  run_steps(*straight, 0, 2);
  Checkpoint saved = checkpoint_of(*straight, schema);
  run_steps(*straight, 0, 1);
  saved.state.tensors.at("objective.replay").fill_(128);
  auto other = make(e);
  other->restore(saved, schema, "data", "here");
  run_steps(*other, 0, 1);
  EXPECT_NE(other->digest(), straight->digest());
}

TEST_F(EbmTraining, LossBeyondLimitKeepsStateBeforeStep) {
  Experiment e = small_ebm();
  e.objective.as<EbmOptions>().energy_decay = 1e12;
  const Schema schema = e.schema();
  auto trainer = make(e);
  const Checkpoint before = checkpoint_of(*trainer, schema);
  run_steps(*trainer, 0, 1);
  EXPECT_TRUE(trainer->status(true).not_finite);
  const Checkpoint after = checkpoint_of(*trainer, schema);
  for (const auto& [name, tensor] : before.model.tensors) {
    // Every step updates the vectors of the power iteration.
    if (name.ends_with(".u") || name.ends_with(".v")) continue;
    EXPECT_TRUE(at::equal(after.model.tensors.at(name), tensor)) << name;
  }
  EXPECT_TRUE(at::equal(after.state.tensors.at("objective.replay"),
                        before.state.tensors.at("objective.replay")));
}

TEST_F(EbmTraining, SamplesAreChains) {
  Experiment e = small_ebm();
  auto trainer = make(e);
  const at::Tensor noise = trainer->sample(6);
  run_steps(*trainer, 0, 1);
  const at::Tensor chains = trainer->sample(6);
  ASSERT_EQ(chains.sizes(), at::IntArrayRef({6, 32, 32, 3}));
  const at::Tensor part = trainer->gather_owned().at("objective.replay")[0];
  EXPECT_TRUE(at::equal(chains.narrow(0, 0, 2), part.narrow(0, 0, 2)));
  EXPECT_FALSE(at::equal(chains.narrow(0, 0, 2), noise.narrow(0, 0, 2)));
  EXPECT_TRUE(at::equal(chains.narrow(0, 2, 4), noise.narrow(0, 2, 4)));
}

TEST_F(EbmTraining, MemoryPlanCountsReplayBuffer) {
  Experiment e = small_ebm();
  const auto model = make_meta_model(e.model);
  const MemoryPlan with = plan_memory(*model, e);
  EXPECT_EQ(with.replay, 24 * 32 * 32 * 3);
  e.objective.as<EbmOptions>().replay_size = 1024;
  EXPECT_EQ(plan_memory(*model, e).checkpoint - with.checkpoint, 1000 * 32 * 32 * 3);
}

}  // namespace
}  // namespace valley
