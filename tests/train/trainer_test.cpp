#include "train/trainer.h"

#include <gtest/gtest.h>

#include <limits>

#include "comm/self_communicator.h"
#include "core/error.h"
#include "kernels/device.h"
#include "small_training.h"

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

TEST_F(TrainerTest, TheSameSeedGivesTheSameBitsAndAnotherOnesOthers) {
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

TEST_F(TrainerTest, MicrobatchesGiveTheGradientOfTheWholeBatch) {
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

TEST_F(TrainerTest, RestoresToTheBitInTheMiddleOfAnEpoch) {
  Experiment e = small_experiment();
  Schema schema = e.schema();
  auto straight = make(e);
  run_steps(*straight, 0, 6);
  auto first = make(e);
  run_steps(*first, 0, 3);
  const Checkpoint saved = first->snapshot(schema, "data");
  run_steps(*first, 0, 2);  // what is saved must not move with what goes on
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

TEST_F(TrainerTest, RefusesToRestoreWhatDoesNotFit) {
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

TEST_F(TrainerTest, AveragesTheGeneratorWithItsHalfLife) {
  Experiment e = small_experiment();
  e.train.ema_half_life = 8;  // a step
  Schema schema = e.schema();
  auto trainer = make(e);
  const TensorMap start = trainer->snapshot(schema, "").model.tensors;
  run_steps(*trainer, 0, 1);
  const TensorMap after = trainer->snapshot(schema, "").model.tensors;
  const std::string name = "levels.0.conv0.weight";
  const at::Tensor expected = (start.at("generator." + name) + after.at("generator." + name)) / 2;
  EXPECT_TRUE(at::allclose(after.at("generator_ema." + name), expected, 1e-5, 1e-7));
}

TEST_F(TrainerTest, StandsStillFromAStepThatIsNotFinite) {
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

TEST_F(TrainerTest, TellsWhenARankWasAskedToStop) {
  Experiment e = small_experiment();
  auto trainer = make(e);
  run_steps(*trainer, 0, 1);
  EXPECT_FALSE(trainer->status(false).stop);
  trainer->step(testing::global_batch(1), true);
  EXPECT_TRUE(trainer->status(false).stop);
}

TEST_F(TrainerTest, ReportsTheObjectiveRatesAndGradientNorms) {
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

// An objective that counts in epochs and measures in a phase that updates nothing: what MAGAN will
// need of the trainer.
class Counting : public Objective {
 public:
  explicit Counting(const Model& model) : model_(model) {}
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
    const at::Tensor loss = g.generate(m.uniform(RandomStream::kLatentG, 6)).square().mean();
    loss.backward(at::full({}, m.weight()));
  }
  void update_controller(const GlobalSums& sums) override {
    last_ = sums.at("measure")[0].to(at::kDouble);
  }
  [[nodiscard]] bool has_epochs() const override { return true; }
  void end_epoch(const GlobalSums& sums) override {
    epochs.push_back(sums.at("measure").item<double>());
  }
  [[nodiscard]] std::vector<ReportValue> report() const override { return {{"count", "", last_}}; }
  void save(TensorMap& /*state*/) const override {}
  void load(const TensorMap& /*state*/, const std::string& /*where*/) override {}

 private:
  const Model& model_;
  at::Tensor last_;
};

TEST_F(TrainerTest, GivesObjectivesTheirStagesAndEpochs) {
  Counting::epochs.clear();
  Experiment e = small_experiment();
  Schema schema = e.schema();
  Trainer trainer(e, plan_microbatches(8, std::nullopt, 1, false), *self_, kImages,
                  [](const ObjectiveOptions&, const Model& model, const ObjectiveSetting&)
                      -> std::unique_ptr<Objective> { return std::make_unique<Counting>(model); });
  const std::string start = trainer.digest();
  run_steps(trainer, 0, 3);
  EXPECT_EQ(trainer.digest(), start);  // the first stage only measures
  run_steps(trainer, 0, 3);
  EXPECT_NE(trainer.digest(), start);
  // 21 images in batches of 8: epochs of exactly two steps.
  EXPECT_EQ(Counting::epochs, (std::vector<double>{16, 16, 16}));
}

}  // namespace
}  // namespace valley
