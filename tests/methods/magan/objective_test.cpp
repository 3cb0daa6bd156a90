#include "methods/magan/objective.h"

#include <cmath>
#include <limits>

#include "methods/adversarial/energies.h"
#include "methods/magan/options.h"
#include "support/small_gan.h"

namespace valley {
namespace {

using testing::near;

constexpr double kSteps = 4;   // per epoch
constexpr double kImages = 8;  // per step

double number(const EpochReport& report, const std::string& name) {
  for (const auto& [key, value] : report) {
    if (key == name) return std::get<double>(value);
  }
  ADD_FAILURE() << "nothing reported as " << name;
  return 0;
}

class MaganObjective : public testing::SmallGan {
 protected:
  MaganObjective() {
    own().energy = "l2_sum";
    objective_ = make();
  }
  [[nodiscard]] std::unique_ptr<Objective> make() const {
    ObjectiveSetting where = setting();
    where.epoch_steps = static_cast<std::int64_t>(kSteps);
    return make_objective(options_, *model_, where);
  }
  // Sums over the samples of an epoch, from batch means.
  static at::Tensor sums(std::vector<double> means) {
    means.push_back(1);
    return at::tensor(means, at::kDouble) * (kSteps * kImages);
  }
  EpochReport measure(double mean) { return objective_->end_epoch({{"measure", sums({mean})}}); }
  EpochReport epoch(double real, double fake) {
    return objective_->end_epoch({{"D", sums({real, 0, 0, 0})}, {"G", sums({fake, 0})}});
  }
  [[nodiscard]] double margin() const {
    TensorMap state;
    objective_->save(state);
    return state.at("objective.margin").item<double>();
  }

  [[nodiscard]] MaganOptions& own() { return options_.as<MaganOptions>(); }
  ObjectiveOptions options_{"magan"};
  std::unique_ptr<Objective> objective_;
};

TEST_F(MaganObjective, PretrainsThenMeasuresThenAlternates) {
  std::vector<Stage> stages = objective_->stages();
  ASSERT_EQ(stages.size(), 3U);
  EXPECT_EQ(stages[0].name, "pretrain");
  EXPECT_EQ(stages[0].length, 8);
  EXPECT_EQ(stages[0].phases[0].updates, std::vector<std::string>{"discriminator"});
  EXPECT_EQ(stages[1].name, "measure");
  EXPECT_EQ(stages[1].length, 4);
  EXPECT_TRUE(stages[1].phases[0].updates.empty());
  EXPECT_EQ(stages[2].length, 0);
  ASSERT_EQ(stages[2].phases.size(), 2U);
  // A stage of length 0 would last until training ends.
  own().pretrain_epochs = 0;
  stages = make()->stages();
  ASSERT_EQ(stages.size(), 2U);
  EXPECT_EQ(stages[0].name, "measure");
  own().pretrain_epochs = std::numeric_limits<std::int64_t>::max();
  EXPECT_GT(make()->stages()[0].length, 0);
}

TEST_F(MaganObjective, PretrainingUsesRealImagesOnlyAndMeasuringUpdatesNothing) {
  const auto energy = [&] {
    return sample_energies(Energy::kL2Sum, images_, gan().discriminator().reconstruct(images_));
  };
  const Pass pretrain = run(*objective_, {"pretrain", {"discriminator"}});
  EXPECT_TRUE(
      near(pretrain.discriminator, reference("discriminator", [&] { return energy().mean(); })));
  const Pass measured = run(*objective_, {"measure", {}});
  EXPECT_EQ(measured.discriminator.abs().sum().item<double>(), 0);
  EXPECT_EQ(measured.generator.abs().sum().item<double>(), 0);
  EXPECT_NEAR(measured.sums.at("energy/real") / energy().sum().item<double>(), 1, 1e-6);
  EXPECT_EQ(measured.sums.at("count"), kBatch);
}

TEST_F(MaganObjective, TheMarginIsTheMeanEnergyOfTheDataAfterPretraining) {
  const EpochReport pretrained = objective_->end_epoch({{"pretrain", sums({70.0})}});
  EXPECT_EQ(number(pretrained, "S_D"), 280);
  EXPECT_EQ(margin(), 0);
  const EpochReport report = measure(50);
  EXPECT_EQ(margin(), 50);
  EXPECT_EQ(number(report, "margin_next"), 50);
  EXPECT_EQ(number(report, "steps"), 4);
}

TEST_F(MaganObjective, ScriptedEnergiesLowerTheMarginOnce) {
  measure(50);
  // S_G before the first epoch is infinite: the margin stays for any energies.
  EpochReport report = epoch(20, 30);
  EXPECT_EQ(number(report, "S_G_previous"), std::numeric_limits<double>::infinity());
  EXPECT_EQ(margin(), 50);
  report = epoch(20, 31);  // all three conditions hold
  EXPECT_EQ(number(report, "S_D"), 80);
  EXPECT_EQ(number(report, "S_G"), 124);
  EXPECT_EQ(number(report, "S_G_previous"), 120);
  EXPECT_EQ(number(report, "margin"), 50);
  EXPECT_EQ(number(report, "margin_next"), 20);
  EXPECT_EQ(margin(), 20);
}

TEST_F(MaganObjective, MarginStaysIfAnyConditionFails) {
  const auto margin_after = [&](double real, double fake) {
    objective_ = make();
    measure(50);
    epoch(20, 30);
    epoch(real, fake);
    return margin();
  };
  EXPECT_EQ(margin_after(20, 31), 20);
  EXPECT_EQ(margin_after(20, 30), 50);  // S_G has not increased
  EXPECT_EQ(margin_after(20, 29), 50);
  EXPECT_EQ(margin_after(31, 31), 50);  // S_D is not below S_G
  EXPECT_EQ(margin_after(32, 31), 50);
  EXPECT_EQ(margin_after(50, 51), 50);  // S_D / steps is not below m
  EXPECT_EQ(margin_after(60, 61), 50);
}

TEST_F(MaganObjective, MarginNeverIncreases) {
  measure(50);
  double last = margin();
  for (int i = 0; i < 100; ++i) {
    epoch(30 + 25 * std::sin(1.7 * i), 45 + 20 * std::sin(2.3 * i));
    EXPECT_LE(margin(), last);
    last = margin();
  }
  EXPECT_LT(last, 50);
}

TEST_F(MaganObjective, ResumesFromItsState) {
  measure(50);
  epoch(20, 30);
  TensorMap state;
  objective_->save(state);
  const auto other = make();
  other->load(state, "here");
  other->end_epoch({{"D", sums({20, 0, 0, 0})}, {"G", sums({31, 0})}});
  other->save(state);
  EXPECT_EQ(state.at("objective.margin").item<double>(), 20);
  EXPECT_EQ(state.at("objective.s_g_previous").item<double>(), 124);
  EXPECT_THROW(other->load({}, "state.safetensors"), Error);
}

TEST_F(MaganObjective, ReportsTheMarginOfTheStep) {
  measure(50);
  epoch(20, 30);
  objective_->update_controller({{"D", at::tensor({80.0, 120.0, 40.0, 2.0, 4.0}, at::kFloat)},
                                 {"G", at::tensor({160.0, 0.0, 4.0}, at::kFloat)}});
  EXPECT_NEAR(reported(*objective_, "loss/D"), 20 + 10, 1e-6);
  EXPECT_NEAR(reported(*objective_, "loss/G"), 40, 1e-6);
  EXPECT_NEAR(reported(*objective_, "hinge/active"), 0.5, 1e-6);
  EXPECT_NEAR(objective_->convergence()->item<double>(), 20 + 20, 1e-6);
  epoch(20, 31);
  EXPECT_EQ(reported(*objective_, "margin"), 50);
  EXPECT_EQ(margin(), 20);
}

TEST_F(MaganObjective, ReportsNoGeneratorMetricsBeforeTheAdversarialStage) {
  objective_->update_controller({{"pretrain", at::tensor({80.0, 4.0}, at::kFloat)}});
  EXPECT_NEAR(reported(*objective_, "energy/real"), 20, 1e-6);
  EXPECT_EQ(objective_->report().size(), 2U);
  EXPECT_FALSE(objective_->convergence().has_value());
}

TEST_F(MaganObjective, SharedScheduleIsRejected) {
  ObjectiveSetting where = setting();
  where.schedule = UpdateSchedule::kShared;
  EXPECT_NE(rejection(options_, where).find("train.schedule"), std::string::npos);
}

}  // namespace
}  // namespace valley
