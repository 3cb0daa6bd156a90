// Restricted Boltzmann machines compared with sums over all states, and deep belief networks.
#include "methods/dbn/networks.h"

#include <gtest/gtest.h>

#include "core/error.h"
#include "methods/registry.h"
#include "support/tiny_rbm.h"

namespace valley {
namespace {

using testing::all_seen;
using testing::all_states;
using testing::joint_energies;
using testing::normal_values;
using testing::summed_free_energy;
using testing::tiny_rbm;

bool is_near(const at::Tensor& got, const at::Tensor& expected) {
  return at::allclose(got.detach().to(at::kDouble), expected.to(at::kDouble), 1e-5, 1e-5);
}

TEST(Rbm, FreeEnergyIsTheSumOverHiddenStates) {
  const auto rbm = tiny_rbm({5, 4});
  EXPECT_TRUE(is_near(rbm->free_energy(all_states(5)), summed_free_energy(*rbm, all_states(5))));
  const at::Tensor between = at::sigmoid(normal_values({7, 5}, 1));
  EXPECT_TRUE(is_near(rbm->free_energy(between), summed_free_energy(*rbm, between)));
}

TEST(Rbm, GaussianFreeEnergyIsTheSumOverHiddenStates) {
  const auto rbm = tiny_rbm({5, 4, 0, VisibleUnits::kGaussian});
  const at::Tensor v = normal_values({9, 5}, 1) * 2;
  EXPECT_TRUE(is_near(rbm->free_energy(v), summed_free_energy(*rbm, v)));
}

TEST(Rbm, FreeEnergyWithLabelsIsTheSumOverStates) {
  const auto rbm = tiny_rbm({4, 3, 3});
  const auto [v, y] = all_seen(rbm->shape());
  const at::Tensor joint = summed_free_energy(*rbm, v, y);
  EXPECT_TRUE(is_near(rbm->free_energy(v, y), joint));
  const at::Tensor states = all_states(4);
  EXPECT_TRUE(is_near(rbm->free_energies_of_labels(states), joint.view({16, 3})));
  EXPECT_TRUE(is_near(rbm->free_energy(states), -at::logsumexp(-joint.view({16, 3}), {1})));
}

TEST(Rbm, ConditionalsMatchTheJointDistribution) {
  const auto rbm = tiny_rbm({4, 3, 3});
  const auto [v, y] = all_seen(rbm->shape());
  const at::Tensor joint = at::exp(-joint_energies(*rbm, v, y));  // [48, 8]
  const at::Tensor h = all_states(3);
  const at::Tensor hidden = at::matmul(joint, h.to(at::kDouble)) / joint.sum(1, true);
  EXPECT_TRUE(is_near(rbm->hidden(v, y), hidden));
  const at::Tensor visible =
      at::matmul(joint.t(), v.to(at::kDouble)) / joint.sum(0).unsqueeze(1);  // given h
  EXPECT_TRUE(is_near(rbm->visible_mean(h), visible));
  const at::Tensor label = at::matmul(joint.t(), y.to(at::kDouble)) / joint.sum(0).unsqueeze(1);
  EXPECT_TRUE(is_near(rbm->label_probabilities(h), label));
  // log P(v | h) without labels: -E(v, h) minus its logsumexp over v.
  const auto plain = tiny_rbm({4, 3});
  const at::Tensor energies = joint_energies(*plain, all_states(4));
  const at::Tensor expected = -energies - at::logsumexp(-energies, {0}, true);
  for (std::int64_t s = 0; s < 8; ++s) {
    const at::Tensor same = h[s].expand({16, 3});
    EXPECT_TRUE(is_near(plain->log_likelihood(all_states(4), same), expected.select(1, s)));
  }
}

TEST(Rbm, GaussianUnitsAreStandardizedByPixelMoments) {
  const auto rbm = tiny_rbm({3, 2, 0, VisibleUnits::kGaussian});
  const at::Tensor pixels = at::tensor({0.2, 0.5, 0.9, 0.4, 0.5, 0.1}, at::kFloat).view({2, 3});
  const at::NoGradGuard no_grad;
  for (const Buffer& b : rbm->parameters().buffers())
    b.value.copy_(b.name == "pixel_mean" ? pixels.mean(0) : at::square(pixels).mean(0));
  const at::Tensor v = rbm->from_unit(pixels);
  EXPECT_TRUE(at::allclose(v.mean(0), at::zeros({3}), 0, 1e-5));
  const at::Tensor scale = at::square(v).mean(0);
  EXPECT_NEAR(scale[0].item<double>(), 1, 1e-4);
  EXPECT_EQ(scale[1].item<double>(), 0);  // a constant pixel: no division by 0
  EXPECT_TRUE(at::allclose(rbm->to_unit(v), pixels, 0, 1e-6));
}

TEST(Rbm, VisibleBiasesAreTheLogOddsOfPixels) {
  const auto rbm = tiny_rbm({3, 2});
  const at::NoGradGuard no_grad;
  rbm->pixel_mean().copy_(at::tensor({0.0, 0.25, 1.0}, at::kFloat));
  rbm->set_visible_bias();
  const at::Tensor expected = at::tensor({std::log(1.0 / 99), -std::log(3.0), std::log(99.0)});
  EXPECT_TRUE(is_near(rbm->visible_bias(), expected));
}

ModelOptions dbn_options(const std::vector<std::int64_t>& layers) {
  ModelOptions o;
  o.name = "dbn";
  o.resolution = 16;
  o.channels = 1;
  o.layers = layers;
  return o;
}

const DeepBeliefNetwork& as_dbn(const Model& model) {
  return dynamic_cast<const DeepBeliefNetwork&>(model);
}

TEST(DeepBeliefNetworkModel, HasOneRbmPerLayer) {
  ModelOptions o = dbn_options({5, 4, 6});
  o.labels = 3;
  o.label_units = true;
  const auto model = make_model(o);
  const DeepBeliefNetwork& dbn = as_dbn(*model);
  ASSERT_EQ(dbn.depth(), 3U);
  EXPECT_EQ(dbn.rbm(0).weight().sizes(), at::IntArrayRef({5, 256}));
  EXPECT_EQ(dbn.rbm(1).weight().sizes(), at::IntArrayRef({4, 5}));
  EXPECT_EQ(dbn.rbm(2).label_weight().sizes(), at::IntArrayRef({6, 3}));
  EXPECT_EQ(dbn.rbm(1).shape().labels, 0);
  EXPECT_EQ(dbn.output(), nullptr);
  o.label_units = false;
  const auto headed = make_model(o);
  ASSERT_NE(as_dbn(*headed).output(), nullptr);
  EXPECT_EQ(headed->networks().back().name, "output");
  EXPECT_EQ(as_dbn(*headed).output()->weight().sizes(), at::IntArrayRef({3, 6}));
}

TEST(DeepBeliefNetworkModel, ImagesAndVisibleUnitsConvertBothWays) {
  ModelOptions o = dbn_options({5});
  o.channels = 3;
  const auto model = make_model(o);
  const at::Tensor images = at::rand({2, 3, 16, 16}).contiguous(at::MemoryFormat::ChannelsLast);
  const at::Tensor v = as_dbn(*model).visible_from_images(images);
  EXPECT_EQ(v[1][2 * 256 + 3 * 16 + 4].item<float>(), images[1][2][3][4].item<float>());
  EXPECT_TRUE(at::equal(as_dbn(*model).images_from_visible(v), images));
}

TEST(DeepBeliefNetworkModel, ClassScoresAreLogProbabilities) {
  ModelOptions o = dbn_options({5, 4});
  o.labels = 3;
  o.label_units = true;
  const auto model = make_model(o);
  model->initialize(2);
  const DeepBeliefNetwork& dbn = as_dbn(*model);
  const at::NoGradGuard no_grad;
  dbn.top().label_weight().copy_(normal_values({4, 3}, 3));
  const at::Tensor images = at::rand({6, 1, 16, 16});
  const at::Tensor h = dbn.rbm(0).hidden(images.flatten(1));
  EXPECT_TRUE(at::equal(dbn.level_input(1, images), h));
  std::vector<at::Tensor> joint;
  for (std::int64_t k = 0; k < 3; ++k)
    joint.push_back(-summed_free_energy(dbn.top(), h, at::eye(3)[k].expand({6, 3})));
  const at::Tensor expected = at::softmax(at::stack(joint, 1), 1);
  EXPECT_TRUE(is_near(at::softmax(dbn.class_scores(images), 1), expected));
}

TEST(DeepBeliefNetworkModel, EnergyOfOneRbmIsItsFreeEnergy) {
  const auto model = make_model(dbn_options({5}));
  model->initialize(2);
  const at::Tensor images = at::rand({6, 1, 16, 16});
  EXPECT_TRUE(is_near(as_dbn(*model).energy(images),
                      summed_free_energy(as_dbn(*model).rbm(0), images.flatten(1))));
}

TEST(DeepBeliefNetworkModel, ImpossibleOptionsAreRejected) {
  EXPECT_THROW(static_cast<void>(make_model(dbn_options({}))), Error);
  ModelOptions o = dbn_options({5});
  o.label_units = true;
  EXPECT_THROW(static_cast<void>(make_model(o)), Error);
}

}  // namespace
}  // namespace valley
