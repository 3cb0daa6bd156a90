// Stages of the training of a deep belief network, and its per-image measures.
#include "methods/dbn/objective.h"

#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "methods/dbn/networks.h"
#include "methods/dbn/options.h"
#include "methods/dbn/rbm_measures.h"
#include "methods/registry.h"
#include "support/tiny_rbm.h"

namespace valley {
namespace {

using testing::all_states;
using testing::tiny_rbm;

constexpr std::int64_t kMicrobatch = 6;

class DbnObjective : public ::testing::Test {
 protected:
  DbnObjective() {
    model_options_.name = "dbn";
    model_options_.resolution = 16;
    model_options_.channels = 1;
    model_options_.layers = {5, 4};
    model_options_.labels = 3;
    own().pretrain_epochs = 4;
    own().momentum_epochs = 1;
    own().fine_tune_epochs = 2;
    own().fine_tune_lr = 0.05;
    setting_.learning_rate = 0.1;
    setting_.epoch_steps = 7;
    setting_.microbatch_size = kMicrobatch;
    setting_.seed = 5;
  }
  void make() {
    model_ = make_model(model_options_);
    model_->initialize(1);
    objective_ = make_objective(options_, *model_, setting_);
  }
  [[nodiscard]] const DeepBeliefNetwork& dbn() const {
    return dynamic_cast<const DeepBeliefNetwork&>(*model_);
  }
  [[nodiscard]] Microbatch microbatch() const {
    return {images_,
            {5, at::zeros({}, at::kLong), 0, kMicrobatch, 1},
            nullptr,
            at::arange(kMicrobatch, at::kLong) % 3};
  }
  [[nodiscard]] ImageMeasures measured(const std::string& stage) const {
    for (const Stage& s : objective_->stages()) {
      if (s.name == stage) return objective_->measure(s, microbatch());
    }
    ADD_FAILURE() << "no stage " << stage;
    return {};
  }

  ModelOptions model_options_;
  [[nodiscard]] DbnOptions& own() { return options_.as<DbnOptions>(); }
  ObjectiveOptions options_{"dbn"};
  ObjectiveSetting setting_;
  std::unique_ptr<Model> model_;
  std::unique_ptr<Objective> objective_;
  at::Tensor images_ = at::rand({kMicrobatch, 1, 16, 16});
};

TEST_F(DbnObjective, StagesTrainLayersInOrderThenFineTune) {
  make();
  const std::vector<Stage> stages = objective_->stages();
  std::vector<std::string> names;
  std::vector<std::int64_t> lengths;
  for (const Stage& s : stages) {
    names.push_back(s.name);
    lengths.push_back(s.length);
  }
  EXPECT_EQ(names, (std::vector<std::string>{"measure", "layers.0 (first epochs)", "layers.0",
                                             "layers.1 (first epochs)", "layers.1", "fine-tune"}));
  EXPECT_EQ(lengths, (std::vector<std::int64_t>{7, 7, 21, 7, 21, 14}));
  EXPECT_TRUE(stages[0].averages_statistics);
  EXPECT_EQ(stages[1].max_momentum, 0.5);
  EXPECT_EQ(stages[2].max_momentum, 1);
  const std::vector<bool> resets = {false, true, false, true, false, true};
  for (std::size_t i = 0; i < stages.size(); ++i) EXPECT_EQ(stages[i].resets_optimizers, resets[i]);
  EXPECT_EQ(stages[2].phases[0].updates, std::vector<std::string>{"layers.0"});
  EXPECT_EQ(stages[4].phases[0].updates, std::vector<std::string>{"layers.1"});
  EXPECT_EQ(stages[5].phases[0].updates,
            (std::vector<std::string>{"layers.0", "layers.1", "output"}));
  EXPECT_DOUBLE_EQ(stages[5].lr_scale, 0.5);
  EXPECT_EQ(stages[2].lr_scale, 1);
}

TEST_F(DbnObjective, LearningRateDecaysLinearlyOverTheLastEpochs) {
  own().lr_decay_epochs = 2;
  make();
  const std::vector<Stage> stages = objective_->stages();
  ASSERT_EQ(stages.size(), 8U);  // one more per layer
  EXPECT_EQ(stages[2].length, 7);
  EXPECT_EQ(stages[2].lr_scale_at(6), 1);
  for (const std::size_t last : {3U, 6U}) {
    EXPECT_EQ(stages[last].phases[0].name, stages[last - 1].phases[0].name);
    EXPECT_EQ(stages[last].length, 14);
    EXPECT_EQ(stages[last].lr_scale_at(0), 1 - 1.0 / 3);
    EXPECT_EQ(stages[last].lr_scale_at(6), 1 - 1.0 / 3);
    EXPECT_EQ(stages[last].lr_scale_at(7), 1 - 2.0 / 3);
    EXPECT_FALSE(stages[last].resets_optimizers);
  }
  own().lr_decay_epochs = 9;  // more than pretrain_epochs: all but the first epochs
  make();
  EXPECT_EQ(objective_->stages().size(), 1U + 2 * 2 + 1);
  EXPECT_EQ(objective_->stages()[2].length, 21);
  own().momentum_epochs = 0;
  make();
  EXPECT_TRUE(objective_->stages()[1].resets_optimizers);
  EXPECT_EQ(objective_->stages()[1].lr_scale_at(0), 1 - 1.0 / 5);
}

TEST_F(DbnObjective, StagesWithoutEpochsAreOmitted) {
  own().momentum_epochs = 0;
  make();
  EXPECT_EQ(objective_->stages().size(), 4U);
  EXPECT_TRUE(objective_->stages()[1].resets_optimizers);
  own().momentum_epochs = 9;  // more than pretrain_epochs
  make();
  EXPECT_EQ(objective_->stages().size(), 4U);
  EXPECT_EQ(objective_->stages()[1].length, 28);
  own().pretrain_epochs = 0;  // only back-propagation
  make();
  ASSERT_EQ(objective_->stages().size(), 2U);
  EXPECT_EQ(objective_->stages()[1].name, "fine-tune");
}

TEST_F(DbnObjective, LabelsAreNeededForLabelUnitsAndFineTuning) {
  make();
  EXPECT_EQ(options_.method().needed_labels(options_, model_options_), 3);
  EXPECT_FALSE(options_.method().couples_samples(options_));
  own().persistent_chains = true;
  model_options_.label_units = true;
  own().fine_tune_epochs = 0;
  make();
  EXPECT_EQ(options_.method().needed_labels(options_, model_options_), 3);
  EXPECT_TRUE(options_.method().couples_samples(options_));
  model_options_.labels = 0;
  model_options_.label_units = false;
  make();
  EXPECT_EQ(options_.method().needed_labels(options_, model_options_), 0);
}

TEST_F(DbnObjective, OptionsThatCannotBeTrainedAreRejected) {
  own().fine_tune_epochs = 0;
  EXPECT_THROW(make(), Error);  // an output layer that is never trained
  model_options_.labels = 0;
  own().fine_tune_epochs = 1;
  EXPECT_THROW(make(), Error);  // fine-tuning without classes
}

TEST_F(DbnObjective, MeasuresDependOnTheStage) {
  model_options_.label_units = true;
  make();
  EXPECT_TRUE(measured("measure").empty());
  const at::NoGradGuard no_grad;
  const ImageMeasures first = measured("layers.0 (first epochs)");
  ASSERT_EQ(first.size(), 3U);
  EXPECT_EQ(first[0].first, "free_energy");
  EXPECT_TRUE(at::allclose(first[0].second, dbn().rbm(0).free_energy(images_.flatten(1))));
  EXPECT_EQ(first[1].first, "reconstruction_error");
  const at::Tensor again = dbn().rbm(0).visible_mean(dbn().rbm(0).hidden(images_.flatten(1)));
  EXPECT_TRUE(
      at::allclose(first[1].second, at::square(again - images_.flatten(1)).mean(1), 1e-4, 1e-6));
  EXPECT_EQ(first[2].first, "pseudo_likelihood");

  dbn().top().label_bias().copy_(at::tensor({0.0, 9.0, 0.0}));
  const at::Tensor y = at::one_hot(at::arange(kMicrobatch, at::kLong) % 3, 3).to(at::kFloat);
  const ImageMeasures top = measured("layers.1");
  ASSERT_EQ(top.size(), 4U);
  EXPECT_TRUE(
      at::allclose(top[0].second, dbn().top().free_energy(dbn().level_input(1, images_), y)));
  EXPECT_EQ(top[3].first, "error");
  EXPECT_EQ(top[3].second.sum().item<double>(), 4);  // all are classified as class 1
  const ImageMeasures tuned = measured("fine-tune");
  ASSERT_EQ(tuned.size(), 2U);
  EXPECT_EQ(tuned[0].first, "cross_entropy");
  EXPECT_GT(tuned[0].second[0].item<double>(), 5);
  EXPECT_LT(tuned[0].second[1].item<double>(), 0.1);
  EXPECT_EQ(tuned[1].second.sum().item<double>(), 4);
}

TEST_F(DbnObjective, MeasuresDoNotDependOnOtherImages) {
  make();
  const ImageMeasures all = measured("layers.0");
  const Microbatch rest(images_.narrow(0, 4, 2), {5, at::zeros({}, at::kLong), 4, 2, 1}, nullptr,
                        at::ones({2}, at::kLong));
  const ImageMeasures part = objective_->measure(objective_->stages()[2], rest);
  for (std::size_t i = 0; i < all.size(); ++i)
    EXPECT_TRUE(at::allclose(part[i].second, all[i].second.narrow(0, 4, 2))) << all[i].first;
}

TEST(PseudoLikelihood, MeanOverUnitsIsTheSumOfLogConditionals) {
  const auto rbm = tiny_rbm({4, 3});
  const at::Tensor v = all_states(4);
  const at::Tensor log_p = -testing::summed_free_energy(*rbm, v);
  at::Tensor exact = at::zeros({16}, at::kDouble);
  at::Tensor estimated = at::zeros({16}, at::kDouble);
  for (std::int64_t i = 0; i < 4; ++i) {
    const at::Tensor flipped =
        at::bitwise_xor(at::arange(16, at::kLong), at::full({}, std::int64_t{1} << i, at::kLong));
    exact += log_p - at::logaddexp(log_p, log_p.index_select(0, flipped));
    estimated += pseudo_likelihood(*rbm, {v, {}}, at::full({16}, i, at::kLong)) / 4;
  }
  EXPECT_TRUE(at::allclose(estimated, exact, 1e-5, 1e-5));
}

TEST_F(DbnObjective, PseudoLikelihoodDrawsUnitsUniformly) {
  // Without weights the conditional of each unit is sigmoid(b).
  const auto rbm = tiny_rbm({4, 2});
  const at::NoGradGuard no_grad;
  rbm->weight().zero_();
  rbm->visible_bias().copy_(at::tensor({-3.0, -1.0, 1.0, 3.0}));
  constexpr std::int64_t kImages = 4000;
  const Microbatch many({}, {5, at::zeros({}, at::kLong), 0, kImages, 1});
  const ImageMeasures found = compute_measures(*rbm, {at::ones({kImages, 4}), {}}, many);
  const at::Tensor expected = at::log_sigmoid(rbm->visible_bias()).sum();
  EXPECT_NEAR(found[2].second.mean().item<double>(), expected.item<double>(), 0.4);
  EXPECT_EQ(std::get<0>(at::_unique(found[2].second.detach().round())).size(0), 4);
}

}  // namespace
}  // namespace valley
