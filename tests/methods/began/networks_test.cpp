#include "methods/began/networks.h"

#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "core/error.h"
#include "methods/adversarial/autoencoder_gan.h"
#include "methods/registry.h"

namespace valley {
namespace {

ModelOptions began_options(std::int64_t resolution, std::int64_t width) {
  ModelOptions o;
  o.resolution = resolution;
  o.width = width;
  return o;
}

std::int64_t count(const ModelOptions& o, const std::string& network) {
  return make_model(o)->network(network).parameters().count();
}

TEST(Began, ParameterCountsMatchHandCount) {
  // Counted by hand for n = 128: encoder convs 9 n^2 sum + linear + decoder. Neither variant has
  // the paper's 17.3 M.
  const std::map<std::int64_t, std::int64_t> discriminators = {
      {32, 6'390'979}, {64, 11'340'227}, {128, 18'796'483}, {256, 29'349'571}};
  const std::map<std::int64_t, std::int64_t> generators = {
      {32, 1'421'443}, {64, 1'716'611}, {128, 2'011'779}, {256, 2'306'947}};
  for (const auto& [resolution, expected] : discriminators) {
    EXPECT_EQ(count(began_options(resolution, 128), "discriminator"), expected) << resolution;
    EXPECT_EQ(count(began_options(resolution, 128), "generator"), generators.at(resolution))
        << resolution;
  }
  // 28 pixels have the same levels as 32, from 7x7: only the linear layers differ.
  EXPECT_EQ(count(began_options(28, 128), "generator"), 1'421'443 - 15 * 128 * 65);
  EXPECT_EQ(count(began_options(28, 128), "discriminator"),
            6'390'979 - 15 * 128 * 65 - 15 * 3 * 128 * 64);
  ModelOptions extra = began_options(128, 128);
  extra.downsample = "extra";
  EXPECT_EQ(count(extra, "discriminator"), 23'221'443);
}

TEST(Began, LayerTableOfThe64PixelDiscriminatorIsAsExpected) {
  std::vector<std::string> shapes;
  const auto model = make_model(began_options(64, 128));
  for (const LayerInfo& layer : model->network("discriminator").layers()) {
    shapes.push_back(layer.name + " " + layer.output);
  }
  const std::vector<std::string> expected = {
      "encoder.input 3x3 elu [128, 64, 64]",
      "encoder.levels.0.conv0 3x3 elu [128, 64, 64]",
      "encoder.levels.0.conv1 3x3 stride 2 elu [128, 32, 32]",
      "encoder.levels.1.conv0 3x3 elu [256, 32, 32]",
      "encoder.levels.1.conv1 3x3 stride 2 elu [256, 16, 16]",
      "encoder.levels.2.conv0 3x3 elu [384, 16, 16]",
      "encoder.levels.2.conv1 3x3 stride 2 elu [384, 8, 8]",
      "encoder.levels.3.conv0 3x3 elu [512, 8, 8]",
      "encoder.levels.3.conv1 3x3 elu [512, 8, 8]",
      "encoder.linear linear [64]",
      "decoder.linear linear [8192]",
      "decoder.levels.0.conv0 3x3 elu [128, 8, 8]",
      "decoder.levels.0.conv1 3x3 elu [128, 8, 8]",
      "upsample [128, 16, 16]",
      "decoder.levels.1.conv0 3x3 elu [128, 16, 16]",
      "decoder.levels.1.conv1 3x3 elu [128, 16, 16]",
      "upsample [128, 32, 32]",
      "decoder.levels.2.conv0 3x3 elu [128, 32, 32]",
      "decoder.levels.2.conv1 3x3 elu [128, 32, 32]",
      "upsample [128, 64, 64]",
      "decoder.levels.3.conv0 3x3 elu [128, 64, 64]",
      "decoder.levels.3.conv1 3x3 elu [128, 64, 64]",
      "decoder.output 3x3 [3, 64, 64]",
  };
  EXPECT_EQ(shapes, expected);
}

struct Variant {
  std::int64_t resolution, channels;
  bool skips;
  const char* downsample;
};

class EveryVariant : public ::testing::TestWithParam<Variant> {};

TEST_P(EveryVariant, OutputShapesMatchTheLayerTable) {
  const Variant v = GetParam();
  ModelOptions o = began_options(v.resolution, 4);
  o.channels = v.channels;
  o.skip_connections = v.skips;
  o.downsample = v.downsample;
  o.latent = 5;
  o.hidden = 7;
  const auto model = make_model(o);
  model->initialize(1);
  const auto& gan = dynamic_cast<const AutoencoderGan&>(*model);
  const at::Tensor images = gan.generator().generate(at::rand({2, 5}));
  const std::vector<std::int64_t> shape = {2, v.channels, v.resolution, v.resolution};
  EXPECT_EQ(images.sizes(), shape);
  const at::Tensor code = gan.discriminator().encode(images);
  EXPECT_EQ(code.sizes(), (std::vector<std::int64_t>{2, 7}));
  EXPECT_EQ(gan.discriminator().decode(code).sizes(), shape);
  EXPECT_TRUE(at::isfinite(images).all().item<bool>());
  for (const NamedNetwork& n : model->networks()) {
    std::int64_t in_table = 0;
    for (const LayerInfo& layer : n.network->layers()) in_table += layer.parameters;
    EXPECT_EQ(in_table, n.network->parameters().count()) << n.name;
  }
}

INSTANTIATE_TEST_SUITE_P(
    Began, EveryVariant,
    ::testing::Values(Variant{32, 3, false, "strided"}, Variant{32, 3, true, "strided"},
                      Variant{64, 1, true, "extra"}, Variant{128, 3, false, "extra"},
                      Variant{256, 3, true, "strided"}, Variant{16, 1, false, "strided"},
                      Variant{28, 1, true, "strided"}));

TEST(Began, ResidualsVanish) {
  ModelOptions o = began_options(32, 4);
  o.latent = o.hidden = 6;
  const auto plain = make_model(o);
  plain->initialize(1);
  o.vanishing_residuals = 10;
  const auto residual = make_model(o);
  residual->initialize(1);  // the same weights
  const at::Tensor z = at::rand({2, 6});
  const auto image = [&](const Model& m) {
    return dynamic_cast<const AutoencoderGan&>(m).generator().generate(z);
  };
  const auto again = [&](const Model& m, const at::Tensor& x) {
    return dynamic_cast<const AutoencoderGan&>(m).discriminator().reconstruct(x);
  };
  const auto carry = [&](std::int64_t steps) {
    for (const NamedNetwork& n : residual->networks()) n.network->end_step(steps);
    return residual->network("generator").parameters().buffers().at(0).value.item<float>();
  };
  EXPECT_EQ(carry(0), 1.0F);
  const at::Tensor start = image(*residual);
  EXPECT_FALSE(at::allclose(start, image(*plain)));
  EXPECT_FLOAT_EQ(carry(4), 0.6F);
  EXPECT_EQ(carry(10), 0.0F);
  EXPECT_EQ(carry(25), 0.0F);
  EXPECT_TRUE(at::allclose(image(*residual), image(*plain), 1e-4, 1e-6));
  EXPECT_TRUE(at::allclose(again(*residual, start), again(*plain, start), 1e-4, 1e-6));
  // Convs with residuals at 32 pixels: in the encoder the first of level 0 and the last of the last
  // level; in the decoder all.
  std::int64_t layers = 0;
  for (const LayerInfo& l : residual->network("discriminator").layers())
    layers += l.name.ends_with("residual") ? 1 : 0;
  EXPECT_EQ(layers, 2 + 6);
}

TEST(Began, LastActivationFollowsModelOutput) {
  for (const std::string output : {"tanh", "sigmoid"}) {
    ModelOptions o = began_options(32, 4);
    o.latent = o.hidden = 6;
    const auto linear = make_model(o);
    o.output = output;
    const auto ended = make_model(o);
    for (const auto* m : {linear.get(), ended.get()}) m->initialize(1);
    const at::Tensor z = 3 * at::randn({2, 6});
    const auto image = [&](const Model& m) {
      return dynamic_cast<const AutoencoderGan&>(m).generator().generate(z);
    };
    const at::Tensor x = image(*linear);
    EXPECT_TRUE(at::allclose(image(*ended), output == "tanh" ? at::tanh(x) : at::sigmoid(x)));
    EXPECT_EQ(ended->pixel_range(), output == "tanh" ? PixelRange::kSymmetric : PixelRange::kUnit);
  }
}

TEST(Began, UnsupportedShapesAreRejected) {
  for (const std::int64_t resolution : {0, 8, 48, 100, 1024})
    EXPECT_THROW(static_cast<void>(make_model(began_options(resolution, 4))), Error);
  ModelOptions o = began_options(32, 4);
  o.channels = 2;
  EXPECT_THROW(static_cast<void>(make_model(o)), Error);
  o = began_options(32, 0);
  EXPECT_THROW(static_cast<void>(make_model(o)), Error);
  o = began_options(32, 4);
  o.downsample = "pool";
  EXPECT_THROW(static_cast<void>(make_model(o)), Error);
}

TEST(Model, UnknownNameIsRejectedWithKnownNames) {
  ModelOptions o;
  o.name = "begin";
  try {
    static_cast<void>(make_model(o));
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ExitCode::kConfig);
    EXPECT_NE(std::string(e.what()).find("began"), std::string::npos);
  }
}

TEST(Model, OptionsRoundTripThroughMetadata) {
  ModelOptions o = began_options(32, 16);
  o.skip_connections = true;
  o.downsample = "extra";
  o.channels = 1;
  o.latent = 3;
  o.hidden = 9;
  EXPECT_EQ(ModelOptions::from_metadata(o.to_metadata(), "x").to_metadata(), o.to_metadata());
  auto metadata = o.to_metadata();
  metadata["model.width"] = "12a";
  EXPECT_THROW(static_cast<void>(ModelOptions::from_metadata(metadata, "x")), Error);
  metadata.erase("model.width");
  EXPECT_THROW(static_cast<void>(ModelOptions::from_metadata(metadata, "x")), Error);
}

TEST(Began, MetaModelHasTheSameTensorsAndTables) {
  const auto model = make_model(began_options(64, 4));
  const auto outline = make_meta_model(began_options(64, 4));
  for (const NamedNetwork& n : model->networks()) {
    const auto& full = n.network->parameters().all();
    const Network& network = outline->network(n.name);
    const auto& shapes = network.parameters().all();
    ASSERT_EQ(full.size(), shapes.size());
    for (std::size_t i = 0; i < full.size(); ++i) {
      EXPECT_EQ(full[i].name, shapes[i].name);
      EXPECT_EQ(full[i].value.sizes(), shapes[i].value.sizes());
      EXPECT_TRUE(shapes[i].value.is_meta());
    }
    EXPECT_EQ(n.network->layers().size(), network.layers().size());
  }
}

TEST(Began, CountsOfTheLargestNetworksDoNotOverflow) {
  ModelOptions o = began_options(512, kMaxUnits);
  o.latent = o.hidden = kMaxUnits;
  o.skip_connections = true;
  o.downsample = "extra";
  const auto outline = make_meta_model(o);
  for (const NamedNetwork& n : outline->networks()) {
    EXPECT_GT(n.network->parameters().count(), std::int64_t{1} << 38);
    EXPECT_LT(n.network->parameters().count(), std::int64_t{1} << 44);
    std::int64_t activations = 0;
    for (const LayerInfo& layer : n.network->layers()) activations += layer.activations;
    EXPECT_GT(activations, 0);
    EXPECT_LT(activations, std::int64_t{1} << 39);  // times 8 bytes and 2^20 images: 2^62
  }
  o.width = kMaxUnits + 1;
  EXPECT_THROW(static_cast<void>(make_meta_model(o)), Error);
}

}  // namespace
}  // namespace valley
