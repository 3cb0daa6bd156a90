// Compares EBM training on several ranks with one rank that owns the whole replay buffer.
#include <gtest/gtest.h>

#include "comm/ranked_test.h"
#include "kernels/device.h"
#include "support/small_ebm.h"

namespace valley {
namespace {

using testing::one_rank;
using testing::run_steps;
using testing::small_ebm;
using testing::world;

std::unique_ptr<Trainer> make_ebm_trainer(const Experiment& e, Communicator& communicator) {
  set_arithmetic({Precision::kFp32, true, 1});
  return std::make_unique<Trainer>(
      e, plan_microbatches(e.train.global_batch, testing::kChainPass, communicator.size(), true),
      communicator, testing::kImages);
}

class EbmRanks : public ::testing::TestWithParam<bool> {};

TEST_P(EbmRanks, ChainsAndWeightsAreBitwiseEqualToOneRank) {
  Experiment e = GetParam() ? testing::small_regularized_ebm() : small_ebm();
  e.train.reproducible = true;
  const Schema schema = e.schema();
  const auto alone = one_rank();
  const auto one = make_ebm_trainer(e, *alone);
  run_steps(*one, 0, 4);
  const Checkpoint expected = testing::checkpoint_of(*one, schema);

  // Two steps on all ranks, and a resume on all ranks from one rank's checkpoint: each rank
  // restores its part of the replay buffer.
  auto many = make_ebm_trainer(e, world().device());
  run_steps(*many, world().rank(), 2);
  const auto half = make_ebm_trainer(e, *alone);
  run_steps(*half, 0, 2);
  const Checkpoint saved = testing::checkpoint_of(*half, schema);
  const TensorMap gathered = many->gather_owned();
  if (world().rank() == 0) {
    EXPECT_TRUE(
        at::equal(gathered.at("objective.replay"), saved.state.tensors.at("objective.replay")));
  }
  auto resumed = make_ebm_trainer(e, world().device());
  resumed->restore(saved, schema, "data", "here");
  for (const auto& trainer : {many.get(), resumed.get()}) {
    run_steps(*trainer, world().rank(), 2);
    EXPECT_EQ(trainer->digest(), one->digest());
    const Checkpoint got = testing::checkpoint_of(*trainer, schema);
    if (world().rank() == 0) testing::expect_same(got.state.tensors, expected.state.tensors);
  }
}

INSTANTIATE_TEST_SUITE_P(Losses, EbmRanks, ::testing::Bool());

}  // namespace
}  // namespace valley
