#include "methods/ebm/objective.h"

#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>
#include <gtest/gtest.h>

#include <cmath>

#include "core/error.h"
#include "kernels/kernels.h"
#include "methods/ebm/energy_model.h"
#include "methods/ebm/method.h"
#include "methods/ebm/options.h"
#include "methods/registry.h"
#include "samplers/replay_buffer.h"
#include "support/energies.h"

namespace valley {
namespace {

using testing::QuadraticEnergy;

constexpr std::int64_t kChainMicrobatch = 4;  // samples per microbatch
const Phase kE{"E", {"energy"}};

class EbmObjective : public ::testing::Test {
 protected:
  EbmObjective() : model_(std::make_unique<QuadraticEnergy>(3, 0.4, 0.5)) {
    own().langevin_steps = 3;
    own().replay_size = 24;
    setting_.microbatches = 2;
    setting_.own_microbatches = 2;
    setting_.microbatch_size = kChainMicrobatch;
    setting_.resolution = 8;
    setting_.channels = 3;
    setting_.seed = 5;
    model_.energy().parameters().require_grad(true);
    images_ = at::rand({2 * kChainMicrobatch, 3, 8, 8}).contiguous(at::MemoryFormat::ChannelsLast);
    make();
  }

  void make() { objective_ = make_objective(options_, model_, setting_); }

  [[nodiscard]] at::Tensor mean() const { return model_.energy().parameters().all()[0].value; }

  [[nodiscard]] Microbatch microbatch(std::int64_t index, std::int64_t step,
                                      SampleMetrics* metrics = nullptr) const {
    return {images_.narrow(0, index * kChainMicrobatch, kChainMicrobatch),
            {setting_.seed, at::full({}, step * 2 * kChainMicrobatch, at::kLong),
             index * kChainMicrobatch, kChainMicrobatch, 0.5},
            metrics};
  }

  // Gradient after one step with all microbatches. `make_nan` sets the sums to NaN.
  at::Tensor step(std::int64_t number, bool make_nan = false) {
    mean().mutable_grad() = at::zeros_like(mean());
    const at::Tensor sums = at::zeros({static_cast<std::int64_t>(objective_->sums_of(kE).size())});
    for (std::int64_t i = 0; i < setting_.own_microbatches; ++i)
      objective_->accumulate_gradients(kE, microbatch(setting_.first_microbatch + i, number), sums);
    if (make_nan) sums.fill_(std::nan(""));
    objective_->update_controller({{"E", sums}});
    return mean().grad().clone();
  }

  double reported(const std::string& name) {
    for (const ReportValue& v : objective_->report()) {
      if (v.name == name) return v.value.item<double>();
    }
    ADD_FAILURE() << "nothing reported as " << name;
    return 0;
  }
  at::Tensor replay() { return objective_->save_owned().at("objective.replay"); }

  EnergyModel model_;
  [[nodiscard]] EbmOptions& own() { return options_.as<EbmOptions>(); }
  ObjectiveOptions options_{"ebm"};
  ObjectiveSetting setting_;
  std::unique_ptr<Objective> objective_;
  at::Tensor images_;
};

TEST_F(EbmObjective, HasOnePhaseAndCouplesSamples) {
  ASSERT_EQ(objective_->stages().size(), 1U);
  ASSERT_EQ(objective_->stages()[0].phases.size(), 1U);
  EXPECT_EQ(objective_->stages()[0].phases[0].updates, std::vector<std::string>{"energy"});
  EXPECT_TRUE(options_.method().couples_samples(options_));
}

TEST_F(EbmObjective, LossAndGradientMatchTheFormula) {
  // All chains of the first step start from noise, so the test can run the same chains.
  const at::Tensor got = step(0);
  at::Tensor total = at::zeros({});
  mean().mutable_grad() = at::zeros_like(mean());
  double gap = 0;
  for (std::int64_t i = 0; i < 2; ++i) {
    const ChainPlace place{setting_.seed, RandomStream::kLangevin, at::zeros({}, at::kLong),
                           i * kChainMicrobatch};
    const ReplayBuffer empty({1, kChainMicrobatch, kChainMicrobatch, 8, 8, 3}, 1.0, at::kCPU);
    const at::Tensor fakes =
        run_langevin(model_.energy(), empty.draw(0, place, kChainMicrobatch).images,
                     options_.as<EbmOptions>().langevin(), place)
            .images;
    const at::Tensor u = at::empty({kChainMicrobatch, 8 * 8 * 3});
    kernels::fill_uniform(u, {setting_.seed, RandomStream::kDequantize, 0, 1}, place.position,
                          place.offset);
    const at::Tensor reals = (images_.narrow(0, i * kChainMicrobatch, kChainMicrobatch) * 255 +
                              u.view({kChainMicrobatch, 8, 8, 3}).permute({0, 3, 1, 2})) /
                             256;
    const at::Tensor real = model_.energy().energy(reals);
    const at::Tensor fake = model_.energy().energy(fakes);
    const at::Tensor loss = (real - fake + at::square(real) + at::square(fake)).mean() * 0.5;
    loss.backward();
    total = total + loss.detach();
    gap += (fake - real).mean().item<double>() / 2;
  }
  EXPECT_TRUE(at::allclose(got, mean().grad(), 1e-4, 1e-6));
  EXPECT_NEAR(reported("loss/energy"), total.item<double>(), 1e-5);
  EXPECT_NEAR(reported("energy/gap"), gap, 1e-5);
  EXPECT_EQ(reported("chain/restarted"), 1.0);
}

TEST_F(EbmObjective, EnergyDecayIsConfigurable) {
  const at::Tensor with = step(0);
  own().energy_decay = 0;
  make();
  EXPECT_FALSE(at::allclose(step(0), with, 1e-3, 1e-6));
  EXPECT_NEAR(reported("loss/energy"), -reported("energy/gap"), 1e-6);
}

TEST_F(EbmObjective, SeparatingGapIsAtTheMinimumOfTheLoss) {
  const auto method = make_ebm_method();
  for (const char* contrast : {"difference", "softplus"}) {
    own().contrast = contrast;
    own().energy_decay = 0.1;
    const auto loss = [&](double gap) {
      const double pull = own().has_softplus() ? std::log1p(std::exp(-gap)) : -gap;
      return pull + own().energy_decay * gap * gap / 2;
    };
    const double gap = method->separating_gap(options_).value();
    EXPECT_LT(loss(gap), loss(gap - 1e-3)) << contrast;
    EXPECT_LT(loss(gap), loss(gap + 1e-3)) << contrast;
  }
  own().energy_decay = 0;
  EXPECT_FALSE(method->separating_gap(options_).has_value());
}

TEST_F(EbmObjective, RecordsEnergiesPerSample) {
  SampleMetrics metrics(objective_->sample_metrics(), 2 * kChainMicrobatch, at::kCPU);
  const at::Tensor sums = at::zeros({static_cast<std::int64_t>(objective_->sums_of(kE).size())});
  objective_->accumulate_gradients(kE, microbatch(0, 0, &metrics), sums);
  objective_->accumulate_gradients(kE, microbatch(1, 0, &metrics), sums);
  const at::Tensor of_all = metrics.values().sum(1);
  EXPECT_NEAR(of_all[0].item<double>(), sums[0].item<double>(), 1e-4);
  EXPECT_NEAR(of_all[1].item<double>(), sums[1].item<double>(), 1e-4);
}

TEST_F(EbmObjective, ChainsStartFromTheBufferAndSomeRestart) {
  own().replay_restart = 0;
  make();
  step(0);
  const at::Tensor after_one = replay().clone();
  step(1);
  EXPECT_EQ(reported("chain/restarted"), 0.0);
  EXPECT_FALSE(at::equal(replay(), after_one));
}

TEST_F(EbmObjective, WithoutABufferAllChainsStartFromNoise) {
  own().replay_size = 0;
  make();
  for (std::int64_t i = 0; i < 3; ++i) {
    step(i);
    EXPECT_EQ(reported("chain/restarted"), 1.0);
  }
}

TEST_F(EbmObjective, SkippedStepDoesNotChangeTheBuffer) {
  step(0);
  const at::Tensor before = replay().clone();
  step(1, /*make_nan=*/true);
  EXPECT_TRUE(at::equal(replay(), before));
}

TEST_F(EbmObjective, LossAboveItsBoundGivesNonFiniteGradients) {
  EXPECT_TRUE(step(0).isfinite().all().item<bool>());
  mean().detach().fill_(20);  // energies of 2e4, their squares of 4e8
  EXPECT_FALSE(step(1).isfinite().any().item<bool>());
  EXPECT_NE(objective_->divergence().find("1e8"), std::string::npos);
}

// One of two ranks owns the second microbatch and must compute the same as a single rank with both.
TEST_F(EbmObjective, BufferPartsBelongToMicrobatchesNotRanks) {
  for (std::int64_t i = 0; i < 3; ++i) step(i);
  const at::Tensor both = replay().clone();
  setting_.first_microbatch = 1;
  setting_.own_microbatches = 1;
  make();
  for (std::int64_t i = 0; i < 3; ++i) step(i);
  EXPECT_TRUE(at::equal(replay()[0], both[1]));
}

TEST_F(EbmObjective, LoadedStateIsDistributedToItsMicrobatches) {
  for (std::int64_t i = 0; i < 2; ++i) step(i);
  TensorMap state;
  objective_->save(state);
  for (const auto& [name, tensor] : objective_->save_owned()) state[name] = tensor;
  for (auto& [name, tensor] : state) tensor = tensor.clone();
  const at::Tensor expected_gradient = step(2);
  const at::Tensor expected = replay().clone();
  setting_.first_microbatch = 1;
  setting_.own_microbatches = 1;
  make();
  objective_->load(state, "state");
  objective_->load_owned(state, "state");
  EXPECT_TRUE(at::equal(replay()[0], state.at("objective.replay")[1]));
  step(2);
  EXPECT_TRUE(at::equal(replay()[0], expected[1]));

  state.erase("objective.replay");
  EXPECT_THROW(objective_->load_owned(state, "state.safetensors"), Error);
}

TEST_F(EbmObjective, SamplesAreTheNewestChainsThenNoise) {
  const at::Tensor none = objective_->samples(6).value();
  ASSERT_EQ(none.sizes(), at::IntArrayRef({6, 8, 8, 3}));
  EXPECT_NEAR(none.to(at::kFloat).mean().item<double>(), 127.5, 8);
  step(0);
  const at::Tensor some = objective_->samples(6).value();
  EXPECT_TRUE(
      at::equal(some.narrow(0, 0, kChainMicrobatch), replay()[0].narrow(0, 0, kChainMicrobatch)));
  EXPECT_TRUE(at::equal(some.narrow(0, kChainMicrobatch, 2), none.narrow(0, kChainMicrobatch, 2)));
  EXPECT_EQ(objective_->samples(100).value().size(0), 12);  // the capacity of its part of 24
}

TEST_F(EbmObjective, InvalidOptionsAreRejected) {
  const auto expect_rejected = [&](const ObjectiveOptions& options, const std::string& word) {
    try {
      static_cast<void>(make_objective(options, model_, setting_));
      ADD_FAILURE() << word;
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ExitCode::kConfig);
      EXPECT_NE(std::string(e.what()).find(word), std::string::npos) << e.what();
    }
  };
  ObjectiveOptions o = options_;
  o.as<EbmOptions>().replay_size = 7;  // below the 8 chains per step
  expect_rejected(o, "objective.replay_size = 8");
  o = options_;
  o.as<EbmOptions>().langevin_steps = max_langevin_steps(8 * 8 * 3) + 1;
  expect_rejected(o, "objective.langevin_steps");
  o = options_;
  o.as<EbmOptions>().temperature = 1.0;
  o.as<EbmOptions>().langevin_noise = 0;
  expect_rejected(o, "objective.langevin_noise");
  ModelOptions began;
  began.width = 4;
  EXPECT_THROW(static_cast<void>(make_objective(options_, *make_model(began), setting_)), Error);
}

TEST(EbmSettings, TemperatureCouplesStepSizeAndNoise) {
  EbmOptions o;
  EXPECT_EQ(o.langevin().step_size, 10);
  EXPECT_FALSE(o.langevin().noise_last);
  o.temperature = 0.5;
  EXPECT_DOUBLE_EQ(o.langevin().step_size, 0.005 * 0.005);
  EXPECT_TRUE(o.langevin().noise_last);
}

TEST(EbmSettings, ReplayBufferSizeIsReportedInBytes) {
  ModelOptions images;
  images.resolution = 2;
  images.channels = 3;
  EXPECT_EQ(require_method("began", "objective.name")
                .state_bytes(ObjectiveOptions("began"), images, 128)
                .replay,
            0);
  EXPECT_EQ(require_method("ebm", "objective.name")
                .state_bytes(ObjectiveOptions("ebm"), images, 128)
                .replay,
            120000);
}

TEST(EbmSettings, SeparatingGapIsThatOfTheLeastLoss) {
  const Method& method = require_method("ebm", "objective.name");
  ObjectiveOptions options("ebm");
  const double a = options.as<EbmOptions>().energy_decay = 2.5;
  const auto loss = [a](double real, double fake) {
    return real - fake + a * (real * real + fake * fake);
  };
  const double half = *method.separating_gap(options) / 2;
  for (const double shift : {-0.01, 0.01}) {
    EXPECT_LT(loss(-half, half), loss(-half + shift, half));
    EXPECT_LT(loss(-half, half), loss(-half, half + shift));
  }
  options.as<EbmOptions>().energy_decay = 0;  // unbounded
  EXPECT_FALSE(method.separating_gap(options));
  EXPECT_FALSE(require_method("began", "objective.name").separating_gap(ObjectiveOptions("began")));
}

}  // namespace
}  // namespace valley
