// Samples, filters and restorations of small deep belief networks.
#include "inference/gibbs_source.h"

#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "inference/filters.h"
#include "inference/gibbs_restorer.h"
#include "methods/dbn/networks.h"
#include "methods/registry.h"
#include "support/tiny_rbm.h"

namespace valley {
namespace {

constexpr std::int64_t kSide = 16;

SavedModel network(std::vector<std::int64_t> layers, std::int64_t labels = 0,
                   const std::string& units = "bernoulli") {
  SavedModel saved;
  saved.file = "model.safetensors";
  saved.options.name = "dbn";
  saved.options.resolution = kSide;
  saved.options.channels = 1;
  saved.options.layers = std::move(layers);
  saved.options.labels = labels;
  saved.options.label_units = labels > 0;
  saved.options.visible_units = units;
  saved.model = make_model(saved.options);
  saved.model->initialize(0);  // the pixels' moments
  const at::NoGradGuard no_grad;
  std::uint64_t seed = 3;
  for (const NamedNetwork& n : saved.model->networks())
    for (const Parameter& p : n.network->parameters().all())
      p.value.copy_(testing::normal_values(p.value.sizes(), seed++) *
                    (units == "gaussian" ? 0.05 : 0.3));
  return saved;
}

const DeepBeliefNetwork& dbn_of(const SavedModel& saved) {
  return dynamic_cast<const DeepBeliefNetwork&>(*saved.model);
}

at::Tensor images_of(const SavedModel& saved, std::uint64_t first, std::int64_t n,
                     GibbsSettings settings = {}) {
  settings.steps = 20;
  return GibbsSampler(dbn_of(saved), settings, at::kCPU).images(first, n);
}

TEST(GibbsSource, ImageDependsOnItsSeedOnly) {
  for (const SavedModel& saved :
       {network({8}), network({8, 6}, 3), network({7, 6, 5}), network({8}, 0, "gaussian")}) {
    const at::Tensor all = images_of(saved, 20, 50);  // ends of three blocks
    EXPECT_EQ(all.sizes(), at::IntArrayRef({50, 1, kSide, kSide}));
    for (const std::uint64_t first : {20U, 31U, 32U, 63U, 69U})
      EXPECT_TRUE(
          at::equal(images_of(saved, first, 1)[0], all[static_cast<std::int64_t>(first) - 20]));
    EXPECT_FALSE(at::equal(all[0], all[1]));
    EXPECT_FALSE(at::equal(all[0], all[32]));
  }
}

TEST(GibbsSource, ImagesAreBitwiseEqualOnAnyNumberOfThreads) {
  const SavedModel saved = network({8, 6}, 3);
  const int before = at::get_num_threads();
  at::set_num_threads(1);
  const at::Tensor alone = images_of(saved, 0, 200);
  at::set_num_threads(3);
  for (int i = 0; i < 20; ++i) {
    EXPECT_TRUE(at::equal(images_of(saved, 0, 200), alone));
    ASSERT_EQ(at::get_num_threads(), 3);
  }
  at::set_num_threads(before);
}

TEST(GibbsSource, DrawnPixelsAreBinary) {
  for (const SavedModel& saved : {network({8}), network({8, 6})}) {
    const at::Tensor drawn = images_of(saved, 0, 4, {20, {}, true});
    EXPECT_TRUE(at::logical_or(drawn == 0, drawn == 1).all().item<bool>());
    const at::Tensor mean = images_of(saved, 0, 4);
    EXPECT_FALSE(at::logical_or(mean == 0, mean == 1).all().item<bool>());
    // The mean over 1,024 pixels.
    EXPECT_NEAR((drawn - mean).mean().item<double>(), 0, 0.08);
  }
}

TEST(GibbsSource, WatchSeesTheChainAtRequestedSteps) {
  const SavedModel saved = network({8, 6}, 3);
  const GibbsSettings settings{20, 1, false};
  const GibbsSampler sampler(dbn_of(saved), settings, at::kCPU);
  std::vector<std::int64_t> steps;
  std::vector<at::Tensor> images;
  const at::Tensor end =
      sampler.images(30, 5, {0, 3, 20}, [&](std::int64_t s, const at::Tensor& x) {
        steps.push_back(s);
        images.push_back(x);
      });
  EXPECT_EQ(steps, (std::vector<std::int64_t>{0, 3, 20}));
  EXPECT_TRUE(at::equal(end, sampler.images(30, 5)));
  EXPECT_TRUE(at::equal(images[2], end));
  EXPECT_TRUE(
      at::equal(images[1], GibbsSampler(dbn_of(saved), {3, 1, false}, at::kCPU).images(30, 5)));
}

TEST(GibbsSource, FixedLabelDeterminesTheImages) {
  // Label 0 turns all pixels off, label 1 on, through a hidden unit each.
  const SavedModel saved = network({2}, 2);
  const Rbm& rbm = dbn_of(saved).top();
  {
    const at::NoGradGuard no_grad;
    rbm.weight().copy_(at::tensor({-8.0F, 8.0F}).unsqueeze(1).expand_as(rbm.weight()));
    rbm.label_weight().copy_(at::tensor({3000.0F, -3000.0F, -3000.0F, 3000.0F}).view({2, 2}));
  }
  EXPECT_LT(images_of(saved, 0, 3, {20, 0, false}).max().item<double>(), 0.05);
  EXPECT_GT(images_of(saved, 0, 3, {20, 1, false}).min().item<double>(), 0.95);
}

TEST(GibbsSource, UnknownLabelsAreRejected) {
  const auto refusal = [](const SavedModel& saved, std::int64_t label) -> std::string {
    try {
      check_gibbs({10, label, false}, saved, dbn_of(saved));
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ExitCode::kUsage);
      return error.what();
    }
    return "";
  };
  EXPECT_EQ(refusal(network({4}, 3), 2), "");
  EXPECT_NE(refusal(network({4}, 3), 3).find("0 to 2"), std::string::npos);
  EXPECT_NE(refusal(network({4}), 0).find("no label units"), std::string::npos);
  SavedModel output = network({4}, 3);
  output.options.label_units = false;
  output.model = make_model(output.options);
  EXPECT_NE(refusal(output, 0).find("output layer"), std::string::npos);
}

TEST(Filters, AreWeightsByDescendingNorm) {
  const SavedModel saved = network({3, 2});
  const DeepBeliefNetwork& dbn = dbn_of(saved);
  const at::NoGradGuard no_grad;
  const at::Tensor& w = dbn.rbm(0).weight();
  w.zero_();
  w[0][0] = 1;
  w[1].fill_(2);
  w[2][5] = -4;
  const Filters first = compute_filters(dbn, 0, 10);
  EXPECT_EQ(first.pixels.sizes(), at::IntArrayRef({3, kSide, kSide, 1}));
  EXPECT_EQ(first.scale, 4);
  EXPECT_TRUE((first.pixels[0] == first.pixels[0][0][0]).all().item<bool>());  // length 32
  EXPECT_EQ(first.pixels[0][0][0][0].item<int>(), 191);
  EXPECT_LT(first.pixels[1][0][5][0].item<int>(), 20);
  EXPECT_EQ(first.pixels[1][0][0][0].item<int>(), 128);
  EXPECT_EQ(compute_filters(dbn, 0, 2).pixels.size(0), 2);

  dbn.rbm(1).weight().copy_(at::tensor({1.0F, 0.0F, 0.0F, 0.0F, 0.0F, 3.0F}).view({2, 3}));
  const Filters second = compute_filters(dbn, 1, 10);  // 3 times the third, then the first
  EXPECT_LT(second.pixels[0][0][5][0].item<int>(), 20);
  EXPECT_GT(second.pixels[1][0][0][0].item<int>(), 128);
}

// E[v | fixed pixels] of an RBM with few free pixels, by enumeration.
at::Tensor conditional_mean(const Rbm& rbm, const at::Tensor& image, std::int64_t open,
                            const at::Tensor& evidence) {
  const at::Tensor states = testing::all_states(open);
  at::Tensor v = image.flatten().expand({states.size(0), kSide * kSide}).clone();
  v.narrow(1, 0, open).copy_(states);
  const at::Tensor log_p =
      -rbm.free_energy(v).to(at::kDouble) + at::matmul(states, evidence).to(at::kDouble);
  return at::matmul(at::softmax(log_p, 0), states.to(at::kDouble));
}

TEST(GibbsRestorer, ConvergesToConditionalMeanOfUnknownPixels) {
  const SavedModel saved = network({6}, 3);
  const DeepBeliefNetwork& dbn = dbn_of(saved);
  RestoreRequest request;
  request.chain.steps = 20000;
  const auto restorer = make_gibbs_restorer(dbn, request, at::kCPU);
  RestoreTask task;
  task.damaged = (testing::normal_values({1, 1, kSide, kSide}, 5) > 0).to(at::kFloat);
  task.unknown = at::zeros({1, 1, kSide, kSide}, at::kBool);
  task.unknown.view(-1).narrow(0, 0, 4).fill_(true);
  task.start = task.damaged.clone();
  const at::Tensor found = restorer->restore(task);
  EXPECT_TRUE(
      at::equal(found.flatten().narrow(0, 4, 252), task.damaged.flatten().narrow(0, 4, 252)));
  const at::Tensor mean = conditional_mean(dbn.top(), task.damaged, 4, at::zeros({4}));
  EXPECT_LT((found.flatten().narrow(0, 0, 4) - mean).abs().max().item<double>(), 0.04);
  EXPECT_TRUE(at::equal(restorer->restore(task), found));
}

TEST(GibbsRestorer, NoisyPixelsFollowThePosterior) {
  SavedModel saved = network({6});
  const DeepBeliefNetwork& dbn = dbn_of(saved);
  RestoreRequest request;
  request.chain.steps = 20000;
  RestoreTask task;
  task.noise = 0.7;
  // All pixels but three have so large biases that noise cannot change them.
  {
    const at::NoGradGuard no_grad;
    dbn.top().visible_bias().narrow(0, 3, 253).fill_(60);
    dbn.top().weight().narrow(1, 3, 253).mul_(0.1);
  }
  task.damaged = at::ones({1, 1, kSide, kSide});
  task.damaged.view(-1).narrow(0, 0, 3).copy_(at::tensor({0.1F, 0.6F, 0.9F}));
  task.unknown = at::zeros({1, 1, kSide, kSide}, at::kBool);
  task.start = task.damaged;
  const at::Tensor found = make_gibbs_restorer(dbn, request, at::kCPU)->restore(task);
  const at::Tensor evidence =
      (task.damaged.flatten().narrow(0, 0, 3) - 0.5) / (task.noise * task.noise);
  const at::Tensor mean = conditional_mean(dbn.top(), task.damaged, 3, evidence);
  EXPECT_LT((found.flatten().narrow(0, 0, 3) - mean).abs().max().item<double>(), 0.04);
}

TEST(GibbsRestorer, GaussianUnitsAverageNoisyPixelsAndModel) {
  const SavedModel saved = network({2}, 0, "gaussian");
  const DeepBeliefNetwork& dbn = dbn_of(saved);
  const at::NoGradGuard no_grad;
  dbn.top().weight().zero_();
  dbn.top().visible_bias().zero_();  // mean 0.5, deviation 1 before training
  RestoreTask task;
  task.damaged = at::full({1, 1, kSide, kSide}, 0.9);
  task.unknown = at::zeros({1, 1, kSide, kSide}, at::kBool);
  task.start = task.damaged;
  task.noise = 1;
  const at::Tensor found = make_gibbs_restorer(dbn, {}, at::kCPU)->restore(task);
  EXPECT_LT((found - 0.7).abs().max().item<double>(), 1e-5);
}

TEST(GibbsRestorer, SeveralRbmsAndLangevinSettingsAreRejected) {
  EXPECT_THROW(static_cast<void>(make_gibbs_restorer(dbn_of(network({4, 3})), {}, at::kCPU)),
               Error);
  RestoreRequest request;
  request.chain.step_size = 1;
  EXPECT_THROW(static_cast<void>(make_gibbs_restorer(dbn_of(network({4})), request, at::kCPU)),
               Error);
}

}  // namespace
}  // namespace valley
