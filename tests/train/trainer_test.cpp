#include "train/trainer.h"

#include <gtest/gtest.h>

#include <limits>

#include "comm/self_communicator.h"
#include "core/error.h"
#include "kernels/device.h"
#include "methods/adversarial/autoencoder_gan.h"
#include "methods/registry.h"
#include "plan/memory_plan.h"
#include "support/small_training.h"
#include "train/step_status.h"

namespace valley {
namespace {

using testing::kImages;
using testing::run_steps;
using testing::small_experiment;

class TrainerTest : public ::testing::Test {
 protected:
  TrainerTest() : self_(make_self_communicator(at::kCPU)) {
    set_arithmetic({Precision::kFp32, true, 1});
  }

  std::unique_ptr<Trainer> make(Experiment& e, AutoInt microbatch = std::nullopt) {
    return std::make_unique<Trainer>(
        e, plan_microbatches(e.train.global_batch, microbatch, 1, e.train.reproducible), *self_,
        kImages);
  }

  std::unique_ptr<Communicator> self_;
};

TEST_F(TrainerTest, SameSeedIsBitwiseEqualAndOtherSeedDiffers) {
  Experiment e = small_experiment();
  auto one = make(e);
  auto two = make(e);
  run_steps(*one, 0, 3);
  run_steps(*two, 0, 3);
  EXPECT_EQ(one->digest(), two->digest());
  Experiment other = small_experiment();
  other.train.seed = 4;
  auto three = make(other);
  run_steps(*three, 0, 3);
  EXPECT_NE(one->digest(), three->digest());
}

TEST_F(TrainerTest, ReportsEnergyQuantilesInReportedSteps) {
  Experiment e = small_experiment();
  e.train.report_every = 3;
  auto trainer = make(e);
  const auto value = [&](const std::string& name) -> std::optional<double> {
    for (const auto& v : trainer->report()) {
      if (v.name == name) return v.value;
    }
    return std::nullopt;
  };
  run_steps(*trainer, 0, 1);
  ASSERT_TRUE(value("energy/real/q05").has_value());
  EXPECT_LT(*value("energy/real/q05"), *value("energy/real/q50"));
  EXPECT_LT(*value("energy/real/q50"), *value("energy/real/q95"));
  EXPECT_LT(*value("energy/real/q05"), *value("energy/real"));
  EXPECT_GT(*value("energy/real/q95"), *value("energy/real"));
  run_steps(*trainer, 0, 1);
  EXPECT_FALSE(value("energy/real/q05").has_value());
  run_steps(*trainer, 0, 1);
  EXPECT_TRUE(value("energy/fake/q95").has_value());
}

TEST_F(TrainerTest, MicrobatchGradientsEqualWholeBatchGradient) {
  Experiment e = small_experiment();
  auto whole = make(e);
  auto parts = make(e, 2);
  Experiment tree = small_experiment();
  tree.train.reproducible = true;
  auto treed = make(tree, 2);
  for (Trainer* t : {whole.get(), parts.get(), treed.get()}) run_steps(*t, 0, 1);
  const TensorMap expected = whole->gradients();
  for (const auto& got : {parts->gradients(), treed->gradients()}) {
    for (const auto& [name, tensor] : expected) {
      const double scale = tensor.abs().max().item<double>();
      EXPECT_TRUE(at::allclose(got.at(name), tensor, 1e-4, 1e-5 * scale)) << name;
    }
  }
}

TEST_F(TrainerTest, ResumeInsideEpochIsBitwiseEqual) {
  Experiment e = small_experiment();
  Schema schema = e.schema();
  auto straight = make(e);
  run_steps(*straight, 0, 6);
  auto first = make(e);
  run_steps(*first, 0, 3);
  const Checkpoint saved = first->snapshot(schema, "data");
  run_steps(*first, 0, 2);  // later steps must not change the snapshot
  auto second = make(e);
  second->restore(saved, schema, "data", "here");
  EXPECT_EQ(second->steps_done(), 3);
  run_steps(*second, 0, 3);
  EXPECT_EQ(second->digest(), straight->digest());
  const Checkpoint a = straight->snapshot(schema, "data");
  const Checkpoint b = second->snapshot(schema, "data");
  ASSERT_EQ(a.state.tensors.size(), b.state.tensors.size());
  for (const auto& [name, tensor] : a.state.tensors)
    EXPECT_TRUE(at::equal(tensor, b.state.tensors.at(name))) << name;
  for (const auto& [name, tensor] : a.model.tensors)
    EXPECT_TRUE(at::equal(tensor, b.model.tensors.at(name))) << name;
  EXPECT_EQ(a.state.metadata, b.state.metadata);
}

// A linear decay over the length of the training, and what changes updates, do so before and after
// the resume.
TEST_F(TrainerTest, ResumeWithDecayWarmUpClippingAndWeightDecayIsBitwiseEqual) {
  Experiment e = small_experiment();
  e.train.steps = 6;
  e.optimizer.lr_schedule = LrSchedule::kLinear;
  e.optimizer.warmup_steps = 3;
  e.optimizer.clip_norm = 0.3;
  e.optimizer.weight_decay = 0.1;
  Schema schema = e.schema();
  auto straight = make(e);
  run_steps(*straight, 0, 5);
  auto first = make(e);
  run_steps(*first, 0, 2);
  e.train.steps = 12;  // longer, but the decay ends as before
  auto second = make(e);
  second->restore(first->snapshot(schema, "data"), schema, "data", "here");
  run_steps(*second, 0, 3);
  EXPECT_EQ(second->digest(), straight->digest());
}

// The step-decay schedule changes the learning rate before and after the resume.
TEST_F(TrainerTest, ResumeWithEveryOptimizerIsBitwiseEqual) {
  std::string adam;
  for (const auto name : {OptimizerName::kAdam, OptimizerName::kAdamax, OptimizerName::kSgd}) {
    Experiment e = small_experiment();
    e.optimizer.name = name;
    e.optimizer.bias_correction = name == OptimizerName::kAdam;
    e.optimizer.momentum = name == OptimizerName::kSgd ? 0.9 : 0;
    e.optimizer.lr_schedule = LrSchedule::kStep;
    e.optimizer.step_every = 2;
    e.optimizer.generator_lr_scale = 3;
    Schema schema = e.schema();
    auto straight = make(e);
    run_steps(*straight, 0, 5);
    auto first = make(e);
    run_steps(*first, 0, 3);
    auto second = make(e);
    second->restore(first->snapshot(schema, "data"), schema, "data", "here");
    run_steps(*second, 0, 2);
    EXPECT_EQ(second->digest(), straight->digest()) << name_of(name);
    std::map<std::string, double> values;
    for (const auto& v : second->report()) values[v.name] = v.value;
    EXPECT_DOUBLE_EQ(values.at("lr/D"), 1e-3 / 4) << name_of(name);
    EXPECT_DOUBLE_EQ(values.at("lr/G"), 3e-3 / 4) << name_of(name);
    EXPECT_NE(straight->digest(), adam) << name_of(name);
    if (name == OptimizerName::kAdam) adam = straight->digest();
  }
}

TEST_F(TrainerTest, CheckpointOfOtherOptimizerIsRejectedByName) {
  Experiment e = small_experiment();
  Schema schema = e.schema();
  const Checkpoint saved = make(e)->snapshot(schema, "data");
  Experiment other = small_experiment();
  other.optimizer.name = OptimizerName::kAdamax;
  Schema other_schema = other.schema();
  try {
    make(other)->restore(saved, other_schema, "data", "here");
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::kConfig);
    EXPECT_NE(std::string(error.what()).find("optimizer.name"), std::string::npos) << error.what();
  }
}

TEST_F(TrainerTest, MemoryPlanCountsOptimizerMoments) {
  Experiment e = small_experiment();
  e.train.ema_half_life = 0;
  const auto model = make_meta_model(e.model);
  std::int64_t bytes = 0;
  for (const NamedNetwork& n : model->networks()) bytes += 4 * n.network->parameters().count();
  const auto buffers = [&](OptimizerName name, double momentum) {
    e.optimizer.name = name;
    e.optimizer.momentum = momentum;
    return plan_memory(*model, e);
  };
  EXPECT_EQ(buffers(OptimizerName::kAdam, 0).parameters, 4 * bytes);
  EXPECT_EQ(buffers(OptimizerName::kAdamax, 0).parameters, 4 * bytes);
  EXPECT_EQ(buffers(OptimizerName::kSgd, 0.9).parameters, 3 * bytes);
  EXPECT_EQ(buffers(OptimizerName::kSgd, 0).parameters, 2 * bytes);
  EXPECT_EQ(
      buffers(OptimizerName::kAdam, 0).checkpoint - buffers(OptimizerName::kSgd, 0).checkpoint,
      2 * bytes);
}

TEST_F(TrainerTest, MismatchedCheckpointIsRejected) {
  Experiment e = small_experiment();
  Schema schema = e.schema();
  auto trainer = make(e);
  Checkpoint saved = trainer->snapshot(schema, "data");
  const auto code_of = [&](const Checkpoint& c, const std::string& fingerprint) {
    try {
      make(e)->restore(c, schema, fingerprint, "here");
      return ExitCode::kDone;
    } catch (const Error& error) {
      return error.code();
    }
  };
  EXPECT_EQ(code_of(saved, "data"), ExitCode::kDone);
  EXPECT_EQ(code_of(saved, "other data"), ExitCode::kConfig);
  Checkpoint other = saved;
  other.state.metadata["config.objective.gamma"] = "0.9";
  EXPECT_EQ(code_of(other, "data"), ExitCode::kConfig);
  other = saved;
  other.model.tensors.erase("generator.output.bias");
  EXPECT_EQ(code_of(other, "data"), ExitCode::kData);
  other = saved;
  other.state.tensors["objective.k"] = at::zeros({2});
  EXPECT_EQ(code_of(other, "data"), ExitCode::kData);
}

TEST_F(TrainerTest, AveragesGeneratorWithHalfLife) {
  Experiment e = small_experiment();
  e.train.ema_half_life = 8;  // one step
  e.train.ema_ramp_up = 0;
  Schema schema = e.schema();
  auto trainer = make(e);
  const TensorMap start = trainer->snapshot(schema, "").model.tensors;
  run_steps(*trainer, 0, 1);
  const TensorMap after = trainer->snapshot(schema, "").model.tensors;
  const std::string name = "levels.0.conv0.weight";
  const at::Tensor expected = (start.at("generator." + name) + after.at("generator." + name)) / 2;
  EXPECT_TRUE(at::allclose(after.at("generator_ema." + name), expected, 1e-5, 1e-7));
}

// The half-life is at most ema_ramp_up times the images before the step: 0, then 0.5 * 8 = 4.
TEST_F(TrainerTest, EmaHalfLifeRampsUp) {
  Experiment e = small_experiment();
  e.train.ema_half_life = 1e6;
  e.train.ema_ramp_up = 0.5;
  Schema schema = e.schema();
  auto trainer = make(e);
  run_steps(*trainer, 0, 1);
  const TensorMap first = trainer->snapshot(schema, "").model.tensors;
  run_steps(*trainer, 0, 1);
  const TensorMap second = trainer->snapshot(schema, "").model.tensors;
  const std::string name = "levels.0.conv0.weight";
  EXPECT_TRUE(at::equal(first.at("generator_ema." + name), first.at("generator." + name)));
  const at::Tensor expected =
      0.25 * first.at("generator." + name) + 0.75 * second.at("generator." + name);
  EXPECT_TRUE(at::allclose(second.at("generator_ema." + name), expected, 1e-5, 1e-7));
}

TEST_F(TrainerTest, NonFiniteStepStopsUpdates) {
  Experiment e = small_experiment();
  e.optimizer.lr = 1e30;
  Schema schema = e.schema();
  auto trainer = make(e);
  std::int64_t bad = 0;
  for (int i = 0; i < 6 && bad == 0; ++i) {
    run_steps(*trainer, 0, 1);
    if (trainer->status(true).not_finite) bad = trainer->steps_done();
  }
  ASSERT_GT(bad, 0);
  const std::string digest = trainer->digest();
  run_steps(*trainer, 0, 2);
  EXPECT_EQ(trainer->digest(), digest);
  trainer->rewind_to(bad - 1);
  for (const auto& [name, tensor] : trainer->snapshot(schema, "").model.tensors) {
    EXPECT_TRUE(at::isfinite(tensor).all().item<bool>()) << name;
  }
}

TEST_F(TrainerTest, StatusReportsStopRequest) {
  Experiment e = small_experiment();
  auto trainer = make(e);
  run_steps(*trainer, 0, 1);
  EXPECT_FALSE(trainer->status(false).stop);
  trainer->step(testing::global_batch(1), true);
  EXPECT_TRUE(trainer->status(false).stop);
}

TEST_F(TrainerTest, StatusReportsEachRequestForACheckpointOnce) {
  Experiment e = small_experiment();
  auto trainer = make(e);
  for (int step = 0; step < 4; ++step) {
    const bool asks = step == 1 || step == 3;
    if (asks) trainer->ask_for_checkpoint();
    trainer->step(testing::global_batch(step), step == 3);
    const StepStatus status = trainer->status(false);
    EXPECT_EQ(status.save, asks) << step;
    EXPECT_EQ(status.stop, step == 3) << step;
  }
}

TEST(StepRequests, SumOverRanksTellsBothNumbers) {
  for (const bool save : {false, true})
    for (const int stops : {0, 1, 3, 1024}) {
      const auto alone = make_self_communicator(at::Device(at::kCPU));
      StatusQueue queue(*alone);
      float sum = encode_requests(false, save);
      for (int rank = 0; rank < stops; ++rank) sum += encode_requests(true, false);
      queue.push(1, at::zeros({}, at::kInt), at::scalar_tensor(sum, at::kFloat));
      const StepStatus status = queue.read(false);
      EXPECT_EQ(status.save, save) << stops;
      EXPECT_EQ(status.stop, stops > 0) << stops;
      EXPECT_FALSE(queue.read(true).save);
    }
}

TEST_F(TrainerTest, ReportsLearningRatesAndGradientNorms) {
  Experiment e = small_experiment();
  auto trainer = make(e);
  run_steps(*trainer, 0, 1);
  std::map<std::string, double> values;
  for (const auto& v : trainer->report()) values[v.name] = v.value;
  EXPECT_NEAR(values.at("lr/D"), 1e-3, 1e-12);
  double squares = 0;
  for (const auto& [name, tensor] : trainer->gradients()) {
    if (name.starts_with("generator.")) squares += tensor.square().sum().item<double>();
  }
  EXPECT_NEAR(values.at("grad_norm/G"), std::sqrt(squares), 1e-4 * std::sqrt(squares));
  EXPECT_NEAR(
      values.at("M"),
      values.at("energy/real") + std::abs(0.5 * values.at("energy/real") - values.at("loss/G")),
      1e-6);
}

// An objective with epochs and with a phase that updates no network, as MAGAN has.
class CountingObjective : public Objective {
 public:
  explicit CountingObjective(const Model& model) : model_(model) {}
  static inline std::vector<double> epochs;

  [[nodiscard]] std::vector<Stage> stages() const override {
    return {{"warm-up", 3, {{"measure", {}}}},
            {"train", 0, {{"measure", {}}, {"G", {"generator"}}}}};
  }
  [[nodiscard]] std::vector<std::string> sums_of(const Phase& /*phase*/) const override {
    return {"count"};
  }
  void accumulate_gradients(const Phase& phase, const Microbatch& m,
                            const at::Tensor& sums) override {
    sums[0].add_(static_cast<double>(m.size()));
    if (phase.updates.empty()) return;
    const auto& g = dynamic_cast<const AutoencoderGan&>(model_).generator();
    const at::Tensor loss =
        g.generate(m.latents(RandomStream::kLatentG, {6, false})).square().mean();
    loss.backward(at::full({}, m.weight()));
  }
  void update_controller(const GlobalSums& sums) override {
    last_ = sums.at("measure")[0].to(at::kDouble);
  }
  [[nodiscard]] bool has_epochs() const override { return true; }
  EpochReport end_epoch(const GlobalSums& sums) override {
    epochs.push_back(sums.at("measure").item<double>());
    return {{"count", epochs.back()}};
  }
  [[nodiscard]] std::vector<ReportValue> report() const override { return {{"count", "", last_}}; }
  void save(TensorMap& /*state*/) const override {}
  void load(const TensorMap& /*state*/, const std::string& /*where*/) override {}

 private:
  const Model& model_;
  at::Tensor last_;
};

TEST_F(TrainerTest, RunsStagesAndEpochsOfObjective) {
  CountingObjective::epochs.clear();
  Experiment e = small_experiment();
  Schema schema = e.schema();
  Trainer trainer(e, plan_microbatches(8, std::nullopt, 1, false), *self_, kImages,
                  [](const ObjectiveOptions&, const Model& model,
                     const ObjectiveSetting&) -> std::unique_ptr<Objective> {
                    return std::make_unique<CountingObjective>(model);
                  });
  const std::string start = trainer.digest();
  run_steps(trainer, 0, 2);
  EXPECT_EQ(trainer.take_epoch_report(), (EpochReport{{"count", 16.0}}));
  EXPECT_FALSE(trainer.take_epoch_report().has_value());
  run_steps(trainer, 0, 1);
  EXPECT_EQ(trainer.digest(), start);  // the first stage only measures
  run_steps(trainer, 0, 3);
  EXPECT_NE(trainer.digest(), start);
  // 21 images in batches of 8: epochs of exactly two steps.
  EXPECT_EQ(CountingObjective::epochs, (std::vector<double>{16, 16, 16}));
}

}  // namespace
}  // namespace valley
