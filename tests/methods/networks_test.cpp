// Layer tables, parameter counts and output shapes of the networks of EBGAN, MAGAN and the EBM.
#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "core/error.h"
#include "methods/adversarial/autoencoder_gan.h"
#include "methods/ebm/energy_model.h"
#include "methods/registry.h"
#include "nn/model.h"

namespace valley {
namespace {

ModelOptions network_options(const std::string& name, std::int64_t resolution, std::int64_t width) {
  ModelOptions o;
  o.name = name;
  o.resolution = resolution;
  o.width = width;
  o.latent = name == "magan" ? 350 : 100;
  o.output = name == "ebm" ? "linear" : "tanh";
  o.batch_norm = name == "ebgan";
  o.spectral_norm = name == "ebm";
  return o;
}

std::int64_t width_of_paper(const std::string& name, std::int64_t resolution) {
  return name == "ebm" && resolution <= 32 ? 128 : 64;
}

struct Counts {
  std::int64_t resolution;
  std::map<std::string, std::int64_t> networks;
};

struct Counted {
  std::string model;
  std::int64_t channels;
  std::vector<Counts> counts;
};

// Counted by hand from the kernels: sums of in * out * k^2 + out (2 out with batch norm).
const std::vector<Counted>& counted() {
  static const std::vector<Counted> all = {
      {"ebgan",
       3,
       {{28, {{"generator", 826'051}, {"discriminator", 268'739}}},
        {32, {{"generator", 1'133'251}, {"discriminator", 1'318'083}}},
        {64, {{"generator", 3'641'027}, {"discriminator", 1'318'083}}},
        {128, {{"generator", 12'850'883}, {"discriminator", 5'513'923}}},
        {256, {{"generator", 48'047'811}, {"discriminator", 5'513'923}}}}},
      {"ebgan", 1, {{28, {{"generator", 824'897}, {"discriminator", 264'641}}}}},
      {"magan",
       3,
       {{28, {{"generator", 2'329'539}, {"discriminator", 1'272'624}}},
        {32, {{"generator", 2'092'483}, {"discriminator", 1'317'507}}},
        {64, {{"generator", 5'623'747}, {"discriminator", 5'512'579}}},
        {128, {{"generator", 16'880'579}, {"discriminator", 22'291'331}}},
        {256, {{"generator", 56'171'459}, {"discriminator", 89'403'267}}}}},
      {"magan", 1, {{28, {{"generator", 2'327'489}, {"discriminator", 468'240}}}}},
      {"ebm",
       3,
       {{28, {{"energy", 5'315'073}}},
        {32, {{"energy", 5'315'073}}},
        {64, {{"energy", 10'991'617}}},
        {128, {{"energy", 15'711'233}}},
        {256, {{"energy", 20'430'849}}}}},
      {"ebm", 1, {{28, {{"energy", 5'312'769}}}}},
  };
  return all;
}

TEST(Networks, ParameterCountsMatchHandCount) {
  for (const Counted& c : counted()) {
    for (const auto& [resolution, networks] : c.counts) {
      ModelOptions o = network_options(c.model, resolution, width_of_paper(c.model, resolution));
      o.channels = c.channels;
      const auto model = make_meta_model(o);
      ASSERT_EQ(model->networks().size(), networks.size());
      for (const auto& [name, count] : networks)
        EXPECT_EQ(model->network(name).parameters().count(), count)
            << c.model << " " << resolution << " " << name;
    }
  }
}

std::vector<std::string> table(const ModelOptions& o, const std::string& network) {
  std::vector<std::string> lines;
  const auto model = make_meta_model(o);
  for (const LayerInfo& layer : model->network(network).layers())
    lines.push_back(layer.name + " " + layer.output);
  return lines;
}

using Lines = std::vector<std::string>;

TEST(Networks, EbganLayerTablesAreAsExpected) {
  EXPECT_EQ(
      table(network_options("ebgan", 256, 64), "generator"),
      (Lines{
          "layers.0.conv transposed 4x4 [2048, 4, 4]", "layers.0.norm batch norm relu [2048, 4, 4]",
          "layers.1.conv transposed 4x4 stride 2 [1024, 8, 8]",
          "layers.1.norm batch norm relu [1024, 8, 8]",
          "layers.2.conv transposed 4x4 stride 2 [512, 16, 16]",
          "layers.2.norm batch norm relu [512, 16, 16]",
          "layers.3.conv transposed 4x4 stride 2 [256, 32, 32]",
          "layers.3.norm batch norm relu [256, 32, 32]",
          "layers.4.conv transposed 4x4 stride 2 [128, 64, 64]",
          "layers.4.norm batch norm relu [128, 64, 64]",
          "layers.5.conv transposed 4x4 stride 2 [64, 128, 128]",
          "layers.5.norm batch norm relu [64, 128, 128]",
          "layers.6.conv transposed 4x4 stride 2 [64, 256, 256]",
          "layers.6.norm batch norm relu [64, 256, 256]", "layers.7.conv 3x3 tanh [3, 256, 256]"}));
  const Lines discriminator = {"encoder.0.conv 4x4 stride 2 leaky relu [64, 32, 32]",
                               "encoder.1.conv 4x4 stride 2 [128, 16, 16]",
                               "encoder.1.norm batch norm leaky relu [128, 16, 16]",
                               "encoder.2.conv 4x4 stride 2 [256, 8, 8]",
                               "encoder.2.norm batch norm leaky relu [256, 8, 8]",
                               "decoder.0.conv transposed 4x4 stride 2 [128, 16, 16]",
                               "decoder.0.norm batch norm relu [128, 16, 16]",
                               "decoder.1.conv transposed 4x4 stride 2 [64, 32, 32]",
                               "decoder.1.norm batch norm relu [64, 32, 32]",
                               "decoder.2.conv transposed 4x4 stride 2 tanh [3, 64, 64]"};
  EXPECT_EQ(table(network_options("ebgan", 64, 64), "discriminator"), discriminator);
  ModelOptions plain = network_options("ebgan", 28, 64);
  plain.channels = 1;
  plain.batch_norm = false;
  plain.output = "sigmoid";
  EXPECT_EQ(table(plain, "generator"),
            (Lines{"layers.0.conv transposed 7x7 relu [128, 7, 7]",
                   "layers.1.conv transposed 4x4 stride 2 relu [64, 14, 14]",
                   "layers.2.conv transposed 4x4 stride 2 relu [64, 28, 28]",
                   "layers.3.conv 3x3 sigmoid [1, 28, 28]"}));
}

TEST(Networks, MaganLayerTablesAreAsExpected) {
  EXPECT_EQ(table(network_options("magan", 64, 64), "generator"),
            (Lines{"layers.0.conv transposed 4x4 relu [512, 4, 4]",
                   "layers.1.conv transposed 4x4 stride 2 relu [256, 8, 8]",
                   "layers.2.conv transposed 4x4 stride 2 relu [128, 16, 16]",
                   "layers.3.conv transposed 4x4 stride 2 relu [64, 32, 32]",
                   "layers.4.conv transposed 4x4 stride 2 tanh [3, 64, 64]"}));
  EXPECT_EQ(table(network_options("magan", 64, 64), "discriminator"),
            (Lines{"encoder.0.conv 4x4 stride 2 leaky relu [64, 32, 32]",
                   "encoder.1.conv 4x4 stride 2 leaky relu [128, 16, 16]",
                   "encoder.2.conv 4x4 stride 2 leaky relu [256, 8, 8]",
                   "encoder.3.conv 4x4 stride 2 leaky relu [512, 4, 4]",
                   "decoder.0.conv transposed 4x4 stride 2 leaky relu [256, 8, 8]",
                   "decoder.1.conv transposed 4x4 stride 2 leaky relu [128, 16, 16]",
                   "decoder.2.conv transposed 4x4 stride 2 leaky relu [64, 32, 32]",
                   "decoder.3.conv transposed 4x4 stride 2 tanh [3, 64, 64]"}));
  ModelOptions digits = network_options("magan", 28, 64);
  digits.channels = 1;
  digits.output = "sigmoid";
  EXPECT_EQ(table(digits, "discriminator"),
            (Lines{"encoder.0 linear relu [256]", "encoder.1 linear relu [256]",
                   "decoder.0 linear sigmoid [784]"}));
  EXPECT_EQ(table(digits, "generator"),
            (Lines{"layers.0.conv transposed 7x7 relu [128, 7, 7]",
                   "layers.1.conv transposed 4x4 stride 2 relu [64, 14, 14]",
                   "layers.2.conv transposed 4x4 stride 2 sigmoid [1, 28, 28]"}));
}

TEST(Networks, EbmLayerTablesAreAsExpected) {
  ModelOptions o = network_options("ebm", 64, 64);
  EXPECT_EQ(table(o, "energy"), (Lines{"input 3x3 spectral leaky relu [64, 64, 64]",
                                       "blocks.0.conv0 3x3 spectral leaky relu [64, 64, 64]",
                                       "blocks.0.conv1 3x3 spectral [64, 64, 64]",
                                       "blocks.0 add, average 2x2 leaky relu [64, 32, 32]",
                                       "blocks.1.conv0 3x3 spectral leaky relu [128, 32, 32]",
                                       "blocks.1.conv1 3x3 spectral [128, 32, 32]",
                                       "blocks.1.shortcut 3x3 spectral [128, 32, 32]",
                                       "blocks.1 add, average 2x2 leaky relu [128, 16, 16]",
                                       "blocks.2.conv0 3x3 spectral leaky relu [256, 16, 16]",
                                       "blocks.2.conv1 3x3 spectral [256, 16, 16]",
                                       "blocks.2.shortcut 3x3 spectral [256, 16, 16]",
                                       "blocks.2 add, average 2x2 leaky relu [256, 8, 8]",
                                       "blocks.3.conv0 3x3 spectral leaky relu [512, 8, 8]",
                                       "blocks.3.conv1 3x3 spectral [512, 8, 8]",
                                       "blocks.3.shortcut 3x3 spectral [512, 8, 8]",
                                       "blocks.3 add, average 2x2 leaky relu [512, 4, 4]",
                                       "blocks.4.conv0 3x3 spectral leaky relu [512, 4, 4]",
                                       "blocks.4.conv1 3x3 spectral [512, 4, 4]",
                                       "blocks.4 add leaky relu [512, 4, 4]",
                                       "relu, sum, output linear [1]"}));
  o = network_options("ebm", 28, 128);
  o.spectral_norm = false;
  const Lines digits = table(o, "energy");
  EXPECT_EQ(digits.front(), "input 3x3 leaky relu [128, 28, 28]");
  EXPECT_EQ(digits[3], "blocks.0 add, average 2x2 leaky relu [128, 14, 14]");
  EXPECT_EQ(digits[digits.size() - 2], "blocks.5 add leaky relu [256, 7, 7]");
}

class EveryNetwork : public ::testing::TestWithParam<std::tuple<const char*, int, int>> {};

ModelOptions small(const std::tuple<const char*, int, int>& param) {
  const auto [name, resolution, channels] = param;
  ModelOptions o = network_options(name, resolution, 4);
  o.channels = channels;
  o.latent = 5;
  o.hidden = 5;
  return o;
}

TEST_P(EveryNetwork, OutputShapesMatchTheLayerTable) {
  const auto [name, resolution, channels] = GetParam();
  const auto model = make_model(small(GetParam()));
  model->initialize(1);
  const std::vector<std::int64_t> shape = {2, channels, resolution, resolution};
  if (const auto* gan = dynamic_cast<const AutoencoderGan*>(model.get())) {
    for (const NamedNetwork& n : gan->networks()) n.network->context().batch_statistics = true;
    const at::Tensor images = gan->generator().generate(at::rand({2, 5}));
    EXPECT_EQ(images.sizes(), shape);
    EXPECT_TRUE(at::isfinite(images).all().item<bool>());
    EXPECT_EQ(gan->discriminator().reconstruct(images).sizes(), shape);
    EXPECT_EQ(gan->couples_samples(), std::string(name) == "ebgan");
  } else {
    const auto& ebm = dynamic_cast<const EnergyModel&>(*model);
    const at::Tensor energy = ebm.energy().energy(at::rand(shape));
    EXPECT_EQ(energy.sizes(), (std::vector<std::int64_t>{2}));
    EXPECT_NE(energy[0].item<float>(), energy[1].item<float>());
    EXPECT_TRUE(at::isfinite(energy).all().item<bool>());
  }
  for (const NamedNetwork& n : model->networks()) {
    std::int64_t in_table = 0;
    for (const LayerInfo& layer : n.network->layers()) in_table += layer.parameters;
    EXPECT_EQ(in_table, n.network->parameters().count()) << n.name;
  }
}

class EverySmallNetwork : public EveryNetwork {};

// Central difference of the loss along its gradient, with layers that work in place.
TEST_P(EverySmallNetwork, GradientMatchesFiniteDifferences) {
  const auto [name, resolution, channels] = GetParam();
  const auto model = make_model(small(GetParam()));
  model->initialize(1);
  const at::Tensor z = at::rand({2, 5});
  const at::Tensor x = at::rand({2, channels, resolution, resolution});
  for (const NamedNetwork& n : model->networks()) {
    n.network->context().batch_statistics = true;
    const auto loss = [&]() -> at::Tensor {
      if (const auto* g = dynamic_cast<const Generator*>(n.network))
        return g->generate(z).square().mean();
      if (const auto* d = dynamic_cast<const Autoencoder*>(n.network))
        return (d->reconstruct(x) - x).square().mean();
      return dynamic_cast<const EnergyNetwork&>(*n.network).energy(x).sum();
    };
    n.network->parameters().require_grad(true);
    loss().backward();
    n.network->parameters().require_grad(false);
    double along = 0;
    for (const Parameter& p : n.network->parameters().all()) {
      ASSERT_TRUE(p.value.grad().defined()) << p.name;
      along += p.value.grad().to(at::kDouble).square().sum().item<double>();
    }
    ASSERT_GT(along, 0) << n.name;
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

INSTANTIATE_TEST_SUITE_P(Networks, EverySmallNetwork,
                         ::testing::Combine(::testing::Values("ebgan", "magan", "ebm"),
                                            ::testing::Values(28, 32, 64), ::testing::Values(1)));
INSTANTIATE_TEST_SUITE_P(Networks, EveryNetwork,
                         ::testing::Combine(::testing::Values("ebgan", "magan", "ebm"),
                                            ::testing::Values(28, 32, 64, 128, 256),
                                            ::testing::Values(1, 3)));

// Expects Error kConfig that names `key`.
void expect_rejected(const ModelOptions& o, const std::string& key) {
  try {
    static_cast<void>(make_meta_model(o));
    ADD_FAILURE() << o.name << " accepts " << key;
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ExitCode::kConfig);
    EXPECT_NE(std::string(e.what()).find(key), std::string::npos) << e.what();
  }
}

TEST(Networks, UnsupportedOptionsAreRejected) {
  for (const std::string name : {"began", "ebgan", "magan", "ebm"}) {
    const ModelOptions good = [&] {
      ModelOptions o = network_options(name, 64, 4);
      if (name == "began") o.output = "linear";
      return o;
    }();
    static_cast<void>(make_meta_model(good));
    const auto changed = [&](auto change) {
      ModelOptions o = good;
      change(o);
      return o;
    };
    expect_rejected(changed([](ModelOptions& o) { o.resolution = 48; }), "model.resolution");
    expect_rejected(changed([](ModelOptions& o) { o.channels = 2; }), "model.channels");
    expect_rejected(changed([](ModelOptions& o) { o.width = 0; }), "model.width");
    expect_rejected(changed([](ModelOptions& o) { o.output = "relu"; }), "model.output");
    expect_rejected(changed([](ModelOptions& o) { o.latent_distribution = "exponential"; }),
                    "model.latent_distribution");
    if (name != "began") {
      expect_rejected(changed([](ModelOptions& o) { o.skip_connections = true; }),
                      "model.skip_connections");
      expect_rejected(changed([](ModelOptions& o) { o.downsample = "extra"; }), "model.downsample");
      expect_rejected(changed([](ModelOptions& o) { o.vanishing_residuals = 10; }),
                      "model.vanishing_residuals");
      expect_rejected(changed([](ModelOptions& o) { o.resolution = 512; }), "model.resolution");
    }
    if (name != "ebgan")
      expect_rejected(changed([](ModelOptions& o) { o.batch_norm = true; }), "model.batch_norm");
    if (name != "ebm")
      expect_rejected(changed([](ModelOptions& o) { o.spectral_norm = true; }),
                      "model.spectral_norm");
    if (name == "ebm")
      expect_rejected(changed([](ModelOptions& o) { o.output = "tanh"; }), "model.output");
  }
}

TEST(Networks, InitialWeightsMatchThePapers) {
  ModelOptions o = network_options("ebgan", 64, 16);
  const auto deviation = [](const Model& model, const std::string& network, std::size_t i) {
    return model.network(network).parameters().all()[i].value.std().item<double>();
  };
  const auto ebgan = make_model(o);
  ebgan->initialize(3);
  EXPECT_NEAR(deviation(*ebgan, "generator", 0), 0.02, 0.0004);
  EXPECT_NEAR(deviation(*ebgan, "discriminator", 2), 0.002, 0.0001);
  const auto energy = make_model(network_options("ebm", 32, 8));
  energy->initialize(3);
  for (const Parameter& p : energy->network("energy").parameters().all()) {
    if (!p.name.ends_with("weight") || p.name.starts_with("output")) continue;
    EXPECT_NEAR(p.value.std().item<double>(), p.name.ends_with("conv1.weight") ? 1e-10 : 1.0,
                p.name.ends_with("conv1.weight") ? 1e-11 : 0.1)
        << p.name;
  }
}

TEST(Networks, ResidualBranchOfEbmBlockStartsNearZero) {
  // The last conv of a block starts near zero: setting it to zero changes nothing.
  ModelOptions o = network_options("ebm", 32, 4);
  const auto model = make_model(o);
  model->initialize(3);
  const auto& set = model->network("energy").parameters();
  const auto& energy = dynamic_cast<const EnergyModel&>(*model).energy();
  const at::Tensor x = at::rand({3, 3, 32, 32});
  const at::Tensor before = energy.energy(x);
  for (const Parameter& p : set.all()) {
    if (p.name.ends_with("conv1.weight")) p.value.zero_();
  }
  EXPECT_TRUE(at::allclose(energy.energy(x), before, 1e-6));
}

TEST(Networks, CountsOfTheLargestNetworksDoNotOverflow) {
  for (const std::string name : {"ebgan", "magan", "ebm"}) {
    ModelOptions o = network_options(name, 256, kMaxUnits);
    o.latent = o.hidden = kMaxUnits;
    const auto outline = make_meta_model(o);
    for (const NamedNetwork& n : outline->networks()) {
      EXPECT_GT(n.network->parameters().count(), std::int64_t{1} << 38) << name;
      EXPECT_LT(n.network->parameters().count(), std::int64_t{1} << 47) << name;
      std::int64_t activations = 0;
      for (const LayerInfo& layer : n.network->layers()) activations += layer.activations;
      EXPECT_GT(activations, 0);
      EXPECT_LT(activations, std::int64_t{1} << 39) << name;
    }
  }
}

}  // namespace
}  // namespace valley
