// Networks of EBGAN, BEGAN and MAGAN with model.labels.
#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <string>
#include <tuple>

#include "kernels/device.h"
#include "methods/adversarial/autoencoder_gan.h"
#include "methods/registry.h"

namespace valley {
namespace {

constexpr std::int64_t kNetworkLabels = 3;
constexpr std::int64_t kNetworkLatent = 5;

class ConditionalNetworks : public ::testing::TestWithParam<std::tuple<const char*, int>> {
 protected:
  ConditionalNetworks() { set_arithmetic({Precision::kFp32, true, 1}); }
  [[nodiscard]] static ModelOptions options(std::int64_t labels = kNetworkLabels) {
    ModelOptions o;
    o.name = std::get<0>(GetParam());
    o.resolution = std::get<1>(GetParam());
    o.width = 4;
    o.channels = 1;
    o.latent = kNetworkLatent;
    o.hidden = kNetworkLatent;
    o.output = "tanh";
    o.batch_norm = o.name == "ebgan";
    o.labels = labels;
    return o;
  }
  [[nodiscard]] static std::unique_ptr<Model> initialized(std::int64_t labels = kNetworkLabels) {
    auto model = make_model(options(labels));
    model->initialize(1);
    for (const NamedNetwork& n : model->networks()) n.network->context().batch_statistics = true;
    return model;
  }
  static const AutoencoderGan& gan(const Model& model) {
    return dynamic_cast<const AutoencoderGan&>(model);
  }
  [[nodiscard]] static at::Tensor image() {
    const std::int64_t side = std::get<1>(GetParam());
    return at::rand({2, 1, side, side}).contiguous(at::MemoryFormat::ChannelsLast);
  }
  static at::Tensor classes(std::int64_t a, std::int64_t b) {
    at::Tensor y = at::full({2}, a, at::kLong);
    y[1] = b;
    return y;
  }
};

TEST_P(ConditionalNetworks, LayerTableCountsAllParameters) {
  const auto model = initialized();
  for (const NamedNetwork& n : model->networks()) {
    std::int64_t in_table = 0;
    for (const LayerInfo& layer : n.network->layers()) in_table += layer.parameters;
    EXPECT_EQ(in_table, n.network->parameters().count()) << n.name;
    EXPECT_EQ(n.network->labels(), kNetworkLabels);
  }
}

// Another class changes the image, the code and the reconstruction, so each part reads it.
TEST_P(ConditionalNetworks, EveryPartReadsTheClass) {
  const auto model = initialized();
  const at::Tensor z = at::rand({2, kNetworkLatent});
  const at::Tensor x = image();
  const auto& g = gan(*model).generator();
  const auto& d = gan(*model).discriminator();
  EXPECT_EQ(g.generate(z, classes(0, 1)).sizes(), x.sizes());
  EXPECT_FALSE(at::allclose(g.generate(z, classes(0, 1)), g.generate(z, classes(2, 1))));
  const at::Tensor code = d.encode(x, classes(0, 1));
  EXPECT_FALSE(at::allclose(code, d.encode(x, classes(2, 1))));
  EXPECT_EQ(d.decode(code, classes(0, 1)).sizes(), x.sizes());
  EXPECT_FALSE(at::allclose(d.decode(code, classes(0, 1)), d.decode(code, classes(2, 1))));
}

TEST_P(ConditionalNetworks, OneHotWeightsEqualLabelsBitwise) {
  const auto model = initialized();
  const at::Tensor z = at::rand({2, kNetworkLatent});
  const at::Tensor labels = classes(2, 1);
  const at::Tensor weights = at::one_hot(labels, kNetworkLabels).to(at::kFloat);
  EXPECT_TRUE(at::equal(gan(*model).generator().generate(z, labels),
                        gan(*model).generator().generate(z, weights)));
  // A mixture lies between its classes.
  const at::Tensor mixed =
      gan(*model).generator().generate(z, at::full({2, kNetworkLabels}, 1.0 / 3));
  EXPECT_FALSE(at::allclose(mixed, gan(*model).generator().generate(z, labels)));
}

TEST_P(ConditionalNetworks, WrongUseOfLabelsIsAnError) {
  const auto model = initialized();
  EXPECT_ANY_THROW(
      static_cast<void>(gan(*model).generator().generate(at::rand({2, kNetworkLatent}))));
  const auto plain = initialized(0);
  EXPECT_ANY_THROW(
      static_cast<void>(gan(*plain).discriminator().reconstruct(image(), classes(0, 1))));
}

// All tensors of the unconditional model are in the conditional one, with equal initial values, so
// that a fork with classes takes all of them.
TEST_P(ConditionalNetworks, OtherTensorsAreThoseOfTheUnconditionalModel) {
  const auto with = initialized();
  const auto without = initialized(0);
  for (const NamedNetwork& n : without->networks()) {
    std::map<std::string, at::Tensor> conditional;
    const auto& all = with->network(n.name).parameters().all();
    for (const Parameter& p : all) conditional[p.name] = p.value;
    for (const Parameter& p : n.network->parameters().all()) {
      ASSERT_TRUE(conditional.contains(p.name)) << p.name;
      EXPECT_TRUE(at::equal(conditional.at(p.name), p.value)) << p.name;
    }
    EXPECT_GT(all.size(), n.network->parameters().all().size());
  }
}

TEST_P(ConditionalNetworks, GradientMatchesFiniteDifferences) {
  const auto model = initialized();
  const at::Tensor z = at::rand({2, kNetworkLatent});
  const at::Tensor x = image();
  const at::Tensor y = classes(0, 2);
  for (const NamedNetwork& n : model->networks()) {
    const auto loss = [&]() -> at::Tensor {
      if (const auto* g = dynamic_cast<const Generator*>(n.network))
        return g->generate(z, y).square().mean();
      return (gan(*model).discriminator().reconstruct(x, y) - x).square().mean();
    };
    n.network->parameters().require_grad(true);
    loss().backward();
    n.network->parameters().require_grad(false);
    double along = 0;
    for (const Parameter& p : n.network->parameters().all()) {
      ASSERT_TRUE(p.value.grad().defined()) << p.name;
      if (p.name.find("labels") != std::string::npos) {
        EXPECT_GT(p.value.grad().abs().max().item<double>(), 0) << p.name;
      }
      along += p.value.grad().to(at::kDouble).square().sum().item<double>();
    }
    const double length = 1e-3 / std::sqrt(along);
    const auto moved = [&](double by) {
      for (const Parameter& p : n.network->parameters().all()) p.value.add_(p.value.grad(), by);
      return loss().item<double>();
    };
    const double higher = moved(length);
    const double lower = moved(-2 * length);
    EXPECT_NEAR((higher - lower) / (2 * length * along), 1.0, 0.05) << n.name;
  }
}

INSTANTIATE_TEST_SUITE_P(All, ConditionalNetworks,
                         ::testing::Combine(::testing::Values("began", "ebgan", "magan"),
                                            ::testing::Values(28, 32)));

}  // namespace
}  // namespace valley
