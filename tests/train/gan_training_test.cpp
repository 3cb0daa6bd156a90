// Objectives of autoencoder GANs in the trainer: stages, epochs, and complete checkpoints.
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>

#include "comm/self_communicator.h"
#include "kernels/device.h"
#include "methods/magan/options.h"
#include "support/small_gans.h"

namespace valley {
namespace {

using testing::kImages;
using testing::NamedTraining;
using testing::run_steps;
using testing::small_objective;

struct OneRank {
  OneRank() : self(make_self_communicator(at::kCPU)) {
    set_arithmetic({Precision::kFp32, true, 1});
  }
  std::unique_ptr<Trainer> make(const Experiment& e) const {
    return std::make_unique<Trainer>(
        e, plan_microbatches(e.train.global_batch, testing::kPass, 1, e.train.reproducible), *self,
        kImages);
  }
  std::unique_ptr<Communicator> self;
};

class GanTraining : public ::testing::TestWithParam<NamedTraining>, protected OneRank {};

// An epoch has two steps: odd steps are inside an epoch, 2 and 4 are ends of MAGAN's stages.
TEST_P(GanTraining, ResumeIsBitwiseEqual) {
  Experiment e = GetParam().experiment;
  const Schema schema = e.schema();
  constexpr std::int64_t kSteps = 8;
  auto straight = make(e);
  std::vector<Checkpoint> saved;
  for (std::int64_t i = 0; i < kSteps; ++i) {
    saved.push_back(straight->snapshot(schema, "data"));
    run_steps(*straight, 0, 1);
  }
  const Checkpoint expected = straight->snapshot(schema, "data");
  for (const std::int64_t step : {1, 2, 4, 5, 7}) {
    auto other = make(e);
    other->restore(saved[static_cast<std::size_t>(step)], schema, "data", "here");
    run_steps(*other, 0, kSteps - step);
    const Checkpoint got = other->snapshot(schema, "data");
    SCOPED_TRACE(step);
    testing::expect_same(got.state.tensors, expected.state.tensors);
    testing::expect_same(got.model.tensors, expected.model.tensors);
  }
}

// As in a rescue: nothing of later steps remains, also after a step that was not finite.
TEST_P(GanTraining, RestoreOfATrainerThatWentOnIsBitwiseEqual) {
  Experiment e = GetParam().experiment;
  const Schema schema = e.schema();
  constexpr std::int64_t kSteps = 8;
  auto trainer = make(e);
  std::vector<Checkpoint> saved;
  for (std::int64_t i = 0; i < kSteps; ++i) {
    saved.push_back(trainer->snapshot(schema, "data"));
    run_steps(*trainer, 0, 1);
  }
  const Checkpoint expected = trainer->snapshot(schema, "data");
  Checkpoint poisoned = saved[6];
  for (auto& [name, tensor] : poisoned.model.tensors)
    tensor = at::full_like(tensor, std::numeric_limits<double>::infinity());
  for (const std::int64_t step : {5, 2, 0}) {
    SCOPED_TRACE(step);
    trainer->restore(poisoned, schema, "data", "here");
    run_steps(*trainer, 0, 2);
    EXPECT_TRUE(trainer->status(true).not_finite);
    trainer->restore(saved[static_cast<std::size_t>(step)], schema, "data", "here");
    EXPECT_FALSE(trainer->status(true).not_finite);
    run_steps(*trainer, 0, kSteps - step);
    const Checkpoint got = trainer->snapshot(schema, "data");
    testing::expect_same(got.state.tensors, expected.state.tensors);
    testing::expect_same(got.model.tensors, expected.model.tensors);
  }
}

INSTANTIATE_TEST_SUITE_P(All, GanTraining, ::testing::ValuesIn(testing::small_gans()),
                         testing::name_of);

class MaganTraining : public ::testing::Test, protected OneRank {};

std::map<std::string, double> metrics(const Trainer& trainer) {
  std::map<std::string, double> values;
  for (const auto& v : trainer.report()) values[v.name] = v.value;
  return values;
}

TEST_F(MaganTraining, PretrainsDThenMeasuresThenTrainsBoth) {
  Experiment e = small_objective("magan");
  e.objective.as<MaganOptions>().pretrain_epochs = 1;
  const Schema schema = e.schema();
  auto trainer = make(e);
  const auto values_of = [&](const std::string& network) {
    TensorMap own;
    for (const auto& [name, tensor] : trainer->snapshot(schema, "").model.tensors) {
      if (name.starts_with(network + ".")) own[name] = tensor;
    }
    return own;
  };
  const auto moves = [&](const std::string& network, std::int64_t steps) {
    const TensorMap before = values_of(network);
    run_steps(*trainer, 0, steps);
    const TensorMap after = values_of(network);
    return std::ranges::any_of(
        before, [&](const auto& entry) { return !at::equal(entry.second, after.at(entry.first)); });
  };
  EXPECT_TRUE(moves("discriminator", 1));
  EXPECT_FALSE(moves("generator", 1));
  EXPECT_TRUE(metrics(*trainer).contains("energy/real/q50"));
  EXPECT_FALSE(metrics(*trainer).contains("energy/fake/q50"));
  EXPECT_FALSE(moves("discriminator", 1));
  const double first = metrics(*trainer).at("energy/real");
  EXPECT_FALSE(moves("generator", 1));
  const double second = metrics(*trainer).at("energy/real");
  const TensorMap state = trainer->snapshot(schema, "").state.tensors;
  EXPECT_NEAR(state.at("objective.margin").item<double>(), (first + second) / 2, 1e-4 * first);
  EXPECT_TRUE(moves("discriminator", 1));
  EXPECT_TRUE(moves("generator", 1));
  EXPECT_TRUE(metrics(*trainer).contains("energy/fake/q50"));
}

TEST_F(MaganTraining, CheckpointHasEpochSums) {
  Experiment e = small_objective("magan");
  e.objective.as<MaganOptions>().pretrain_epochs = 0;
  const Schema schema = e.schema();
  auto trainer = make(e);
  run_steps(*trainer, 0, 2);
  EXPECT_EQ(trainer->snapshot(schema, "").state.tensors.count("epoch.D"), 0U);
  run_steps(*trainer, 0, 1);
  const TensorMap state = trainer->snapshot(schema, "").state.tensors;
  EXPECT_EQ(state.at("epoch.D").scalar_type(), at::kDouble);
  EXPECT_EQ(state.at("epoch.D")[4].item<double>(), 8);
  EXPECT_EQ(state.at("epoch.G")[2].item<double>(), 8);
  EXPECT_EQ(state.at("objective.s_g_previous").item<double>(),
            std::numeric_limits<double>::infinity());
}

// A step that is not finite is rewound: it neither adds to the sums nor ends an epoch.
TEST_F(MaganTraining, NonFiniteStepKeepsEpochState) {
  Experiment e = small_objective("magan");
  e.objective.as<MaganOptions>().pretrain_epochs = 0;
  e.optimizer.lr = 1e30;
  const Schema schema = e.schema();
  auto trainer = make(e);
  std::int64_t bad = 0;
  while (bad == 0) {
    ASSERT_LT(trainer->steps_done(), 8);
    run_steps(*trainer, 0, 1);
    if (trainer->status(true).not_finite) bad = trainer->steps_done();
  }
  const TensorMap before = trainer->snapshot(schema, "").state.tensors;
  static_cast<void>(trainer->take_epoch_report());
  run_steps(*trainer, 0, 3);  // as on a GPU, where the status arrives some steps later
  EXPECT_FALSE(trainer->take_epoch_report().has_value());
  trainer->rewind_to(bad - 1);
  const TensorMap after = trainer->snapshot(schema, "").state.tensors;
  int seen = 0;
  for (const auto& [name, tensor] : after) {
    if (!name.starts_with("epoch.") && !name.starts_with("objective.")) continue;
    EXPECT_FALSE(at::isnan(tensor).any().item<bool>()) << name;
    EXPECT_TRUE(at::equal(tensor, before.at(name))) << name;
    ++seen;
  }
  EXPECT_GE(seen, 2);
}

}  // namespace
}  // namespace valley
