// Compares each objective of autoencoder GANs on several ranks with one rank that has the whole
// batch.
#include <gtest/gtest.h>

#include "comm/ranked_test.h"
#include "kernels/device.h"
#include "methods/magan/options.h"
#include "support/small_gans.h"

namespace valley {
namespace {

using testing::NamedTraining;
using testing::one_rank;
using testing::world;

struct RanksOutcome {
  std::string digest;
  std::vector<EpochReport> epochs;
  std::map<std::string, double> report;
};

RanksOutcome train_on_ranks(Experiment e, Communicator& communicator) {
  set_arithmetic({Precision::kFp32, true, 1});
  e.train.reproducible = true;
  Trainer trainer(
      e, plan_microbatches(e.train.global_batch, testing::kPass, communicator.size(), true),
      communicator, testing::kImages);
  RanksOutcome outcome;
  for (int i = 0; i < 8; ++i) {
    testing::run_steps(trainer, communicator.rank(), 1);
    if (const auto epoch = trainer.take_epoch_report()) outcome.epochs.push_back(*epoch);
  }
  outcome.digest = trainer.digest();
  for (const auto& v : trainer.report()) outcome.report[v.name] = v.value;
  return outcome;
}

class GanRanks : public ::testing::TestWithParam<NamedTraining> {};

TEST_P(GanRanks, ReproducibleTrainingIsBitwiseEqualToOneRank) {
  const auto alone = one_rank();
  const RanksOutcome one = train_on_ranks(GetParam().experiment, *alone);
  const RanksOutcome many = train_on_ranks(GetParam().experiment, world().device());
  EXPECT_EQ(many.digest, one.digest);
  EXPECT_EQ(many.epochs, one.epochs);  // MAGAN's sums and margins, bitwise
  EXPECT_EQ(many.report, one.report);
  EXPECT_EQ(one.epochs.size(), GetParam().experiment.objective.name == "magan" ? 4U : 0U);
}

// Channels in multiples of 16, which Valley's convolutions support on CPUs with AVX2 or AVX-512
// (performance.winograd and narrow_convs); LibTorch computes those of the small networks above.
TEST(GanRanksWithOwnConvolutions, ReproducibleTrainingIsBitwiseEqualToOneRank) {
  const auto has_the_bits = [](Experiment e, const std::string& name) {
    e.model.width = 16;
    const auto alone = one_rank();
    const RanksOutcome one = train_on_ranks(e, *alone);
    const RanksOutcome many = train_on_ranks(e, world().device());
    EXPECT_EQ(many.digest, one.digest) << name;
    EXPECT_EQ(many.report, one.report) << name;
  };
  for (const auto precision : {TrainingPrecision::kFp32, TrainingPrecision::kBf16}) {
    Experiment e = testing::small_experiment();
    e.train.precision = precision;
    has_the_bits(e, name_of(precision));
  }
  for (const char* name : {"ebgan", "magan"}) {
    Experiment e = testing::small_objective(name);
    e.model.batch_norm = e.model.name == "ebgan";
    e.objective.as<MaganOptions>().pretrain_epochs = 0;
    has_the_bits(e, name);
  }
}

INSTANTIATE_TEST_SUITE_P(All, GanRanks, ::testing::ValuesIn(testing::small_gans()),
                         testing::name_of);

}  // namespace
}  // namespace valley
