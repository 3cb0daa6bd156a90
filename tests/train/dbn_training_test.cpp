// A deep belief network in the trainer: the tensors that each stage trains, and bitwise equal
// resumes after any step.
#include <gtest/gtest.h>

#include "comm/self_communicator.h"
#include "kernels/device.h"
#include "methods/dbn/networks.h"
#include "methods/dbn/options.h"
#include "methods/registry.h"
#include "plan/memory_plan.h"
#include "support/small_dbn.h"

namespace valley {
namespace {

using testing::dbn_checkpoint;
using testing::expect_same_checkpoint;
using testing::kDbnSteps;
using testing::run_digits;
using testing::small_dbn;

class DbnTraining : public ::testing::Test {
 protected:
  DbnTraining() : self_(make_self_communicator(at::kCPU)) {
    set_arithmetic({Precision::kFp32, true, 1});
  }
  [[nodiscard]] std::unique_ptr<Trainer> make(const Experiment& e) const {
    return std::make_unique<Trainer>(
        e, plan_microbatches(e.train.global_batch, testing::kDigitPass, 1, true), *self_,
        testing::kDigits);
  }
  static TensorMap values(const Trainer& trainer, const Schema& schema) {
    return trainer.snapshot(schema, "").model.tensors;
  }
  std::unique_ptr<Communicator> self_;
};

TEST_F(DbnTraining, ResumeAfterAnyStepIsBitwiseEqual) {
  for (const auto& [persistent, label_units] : {std::pair{false, false}, {true, true}}) {
    Experiment e = small_dbn(persistent, label_units);
    const Schema schema = e.schema();
    EXPECT_EQ(e.total_steps(testing::kDigits), kDbnSteps);
    auto straight = make(e);
    std::vector<Checkpoint> saved;
    for (std::int64_t i = 0; i < kDbnSteps; ++i) {
      saved.push_back(dbn_checkpoint(*straight, schema));
      run_digits(*straight, 0, 1);
    }
    const Checkpoint expected = dbn_checkpoint(*straight, schema);
    for (std::int64_t step = 0; step < kDbnSteps; ++step) {
      SCOPED_TRACE(step);
      auto other = make(e);
      other->restore(saved[static_cast<std::size_t>(step)], schema, "data", "here");
      run_digits(*other, 0, kDbnSteps - step);
      expect_same_checkpoint(dbn_checkpoint(*other, schema), expected);
    }
  }
}

// As in a rescue: back over the ends of epochs and stages.
TEST_F(DbnTraining, RestoreOfATrainerThatWentOnIsBitwiseEqual) {
  Experiment e = small_dbn(true);
  const Schema schema = e.schema();
  auto trainer = make(e);
  std::vector<Checkpoint> saved;
  for (std::int64_t i = 0; i < kDbnSteps; ++i) {
    saved.push_back(dbn_checkpoint(*trainer, schema));
    run_digits(*trainer, 0, 1);
  }
  const Checkpoint expected = dbn_checkpoint(*trainer, schema);
  for (const std::int64_t step : {9, 5, 1}) {
    SCOPED_TRACE(step);
    trainer->restore(saved[static_cast<std::size_t>(step)], schema, "data", "here");
    run_digits(*trainer, 0, kDbnSteps - step);
    expect_same_checkpoint(dbn_checkpoint(*trainer, schema), expected);
  }
}

TEST_F(DbnTraining, ResumeWithOtherChainsDiffers) {
  Experiment e = small_dbn(true);
  e.objective.as<DbnOptions>().gibbs_steps = 1;  // with small weights, 2 steps lose the difference
  const Schema schema = e.schema();
  auto straight = make(e);
  run_digits(*straight, 0, 3);
  Checkpoint saved = dbn_checkpoint(*straight, schema);
  run_digits(*straight, 0, 1);
  saved.state.tensors.at("objective.chains.0").fill_(1);
  auto other = make(e);
  other->restore(saved, schema, "data", "here");
  run_digits(*other, 0, 1);
  EXPECT_NE(other->digest(), straight->digest());
}

TEST_F(DbnTraining, FirstEpochOnlyMeasuresPixelStatistics) {
  Experiment e = small_dbn(false);
  const Schema schema = e.schema();
  auto trainer = make(e);
  const TensorMap before = values(*trainer, schema);
  run_digits(*trainer, 0, 2);
  const TensorMap after = values(*trainer, schema);
  const at::Tensor pixels =
      at::cat({testing::digit_batch(0), testing::digit_batch(1)}).flatten(1).to(at::kDouble) / 255;
  EXPECT_TRUE(
      at::allclose(after.at("layers.0.pixel_mean").to(at::kDouble), pixels.mean(0), 0, 1e-6));
  EXPECT_TRUE(at::allclose(after.at("layers.0.pixel_square").to(at::kDouble),
                           at::square(pixels).mean(0), 0, 1e-6));
  const at::Tensor p = pixels.mean(0).clamp(0.01, 0.99);
  EXPECT_TRUE(at::allclose(after.at("layers.0.visible_bias").to(at::kDouble), at::log(p / (1 - p)),
                           0, 1e-5));
  for (const auto& [name, tensor] : before) {
    if (name.starts_with("layers.0.pixel") || name == "layers.0.visible_bias") continue;
    EXPECT_TRUE(at::equal(after.at(name), tensor)) << name;
  }
}

TEST_F(DbnTraining, EachStageTrainsOnlyItsLayer) {
  Experiment e = small_dbn(true);
  const Schema schema = e.schema();
  auto trainer = make(e);
  std::vector<TensorMap> at_stage_ends;
  for (const std::int64_t steps : {2, 4, 4, 4}) {
    run_digits(*trainer, 0, steps);
    at_stage_ends.push_back(values(*trainer, schema));
  }
  const std::vector<std::string> moving = {"layers.0.", "layers.1.", ""};
  for (std::size_t i = 0; i < moving.size(); ++i) {
    for (const auto& [name, tensor] : at_stage_ends[i]) {
      const bool same = at::equal(at_stage_ends[i + 1].at(name), tensor);
      const bool is_statistic = name.find("pixel") != std::string::npos;
      // Backpropagation does not change visible biases: the loss does not depend on them.
      const bool may_move = name.starts_with(moving[i]) && !is_statistic &&
                            (i < 2 || !name.ends_with("visible_bias"));
      EXPECT_EQ(same, !may_move) << name << " in stage " << i;
    }
  }
}

// v <- momentum v + g; p <- p - lr v, with v = 0 at the start of each RBM's stage.
TEST_F(DbnTraining, MomentumRestartsForEachRbm) {
  Experiment e = small_dbn(false);
  const Schema schema = e.schema();
  auto trainer = make(e);
  run_digits(*trainer, 0, 2);
  at::Tensor velocity;
  for (std::int64_t step = 2; step < kDbnSteps; ++step) {
    const bool tunes = step >= 10;
    const std::string name = step < 6 ? "layers.0.weight" : "layers.1.weight";
    const bool begins = step == 2 || step == 6 || step == 10;
    const bool is_first_epoch = !tunes && (step - 2) % 4 < 2;
    const at::Tensor before = values(*trainer, schema).at(name);
    run_digits(*trainer, 0, 1);
    const at::Tensor gradient = trainer->gradients().at(name);
    velocity = begins ? gradient : velocity * (is_first_epoch ? 0.5 : 0.9) + gradient;
    const at::Tensor expected = before - velocity * 0.1;
    EXPECT_TRUE(at::allclose(values(*trainer, schema).at(name), expected, 1e-5, 1e-7)) << step;
    if (!begins) {
      const at::Tensor without_momentum = before - gradient * 0.1;
      EXPECT_FALSE(at::allclose(expected, without_momentum, 1e-5, 1e-7)) << step;
    }
  }
}

TEST_F(DbnTraining, FineTuningUsesItsOwnLearningRate) {
  Experiment e = small_dbn(false);
  e.objective.as<DbnOptions>().fine_tune_lr = 0.02;
  const Schema schema = e.schema();
  auto trainer = make(e);
  run_digits(*trainer, 0, 10);
  const at::Tensor before = values(*trainer, schema).at("output.weight");
  run_digits(*trainer, 0, 1);
  const at::Tensor gradient = trainer->gradients().at("output.weight");
  EXPECT_TRUE(at::allclose(values(*trainer, schema).at("output.weight"), before - gradient * 0.02,
                           1e-5, 1e-7));
}

TEST_F(DbnTraining, MetricsDependOnStage) {
  Experiment e = small_dbn(false, true);
  auto trainer = make(e);
  const auto reports = [&](const std::string& name) {
    const auto all = trainer->report();
    return std::any_of(all.begin(), all.end(), [&](const auto& v) { return v.name == name; });
  };
  const auto measures = [&] {
    std::string names;
    for (const auto& [name, values] :
         trainer->measure(testing::digit_batch(90), testing::digit_labels(0), 0))
      names += name + " ";
    return names;
  };
  run_digits(*trainer, 0, 2);
  EXPECT_FALSE(reports("energy/real"));
  EXPECT_EQ(measures(), "");
  run_digits(*trainer, 0, 4);
  EXPECT_TRUE(reports("energy/real") && reports("reconstruction_error"));
  EXPECT_EQ(trainer->stage_name(), "layers.0");
  EXPECT_EQ(measures(), "free_energy reconstruction_error pseudo_likelihood ");
  run_digits(*trainer, 0, 4);
  EXPECT_EQ(measures(), "free_energy reconstruction_error pseudo_likelihood error ");
  const std::string before = trainer->digest();
  run_digits(*trainer, 0, 4);
  EXPECT_NE(trainer->digest(), before);
  EXPECT_TRUE(reports("loss/classes") && reports("error/batch"));
  const std::string digest = trainer->digest();
  EXPECT_EQ(measures(), "cross_entropy error ");
  EXPECT_EQ(trainer->digest(), digest);  // measuring changes nothing
}

TEST_F(DbnTraining, MemoryPlanCountsPersistentChains) {
  Experiment e = small_dbn(false);
  const auto model = make_meta_model(e.model);
  const MemoryPlan without = plan_memory(*model, e);
  e.objective.as<DbnOptions>().persistent_chains = true;
  EXPECT_EQ(plan_memory(*model, e).checkpoint - without.checkpoint, 8 * (6 + 5));
}

}  // namespace
}  // namespace valley
