#include "inference/saved_model.h"

#include <limits>

#include "methods/registry.h"
#include "storage/safetensors.h"
#include "support/temporary_folder.h"
#include "toy_models.h"

namespace valley {
namespace {

ModelOptions tiny_began() {
  ModelOptions options;
  options.resolution = 16;
  options.width = 4;
  options.latent = 3;
  options.hidden = 3;
  return options;
}

// The contents of a model file of tiny_began() with initial weights of `seed`.
TensorFile model_file(std::uint64_t seed) {
  const auto model = make_model(tiny_began());
  model->initialize(seed);
  TensorFile file{{}, tiny_began().to_metadata()};
  file.metadata["format"] = "valley-model";
  file.metadata["format_version"] = "1";
  for (const NamedNetwork& n : model->networks())
    for (const Parameter& p : n.network->parameters().all())
      file.tensors[n.name + "." + p.name] = p.value.contiguous();
  return file;
}

class SavedModelTest : public ::testing::Test {
 protected:
  SavedModel load(const TensorFile& contents, Weights weights = Weights::kAveraged) {
    write_safetensors(path_, contents);
    return load_model(path_, weights, at::kCPU);
  }
  std::string rejected(const TensorFile& contents) {
    const std::string message =
        testing::message_of(ExitCode::kData, [&] { static_cast<void>(load(contents)); });
    EXPECT_NE(message.find(path_.string()), std::string::npos) << message;
    return message;
  }
  static at::Tensor first_weight(const SavedModel& saved) {
    return saved.model->network("generator").parameters().all().front().value;
  }
  static std::string first_name(const SavedModel& saved) {
    return "generator." + saved.model->network("generator").parameters().all().front().name;
  }

  TemporaryFolder folder_;
  std::filesystem::path path_ = folder_.path() / "model.safetensors";
};

TEST_F(SavedModelTest, WeightsAndOptionsAreThoseOfTheFile) {
  const TensorFile contents = model_file(7);
  const SavedModel saved = load(contents);
  EXPECT_EQ(saved.options.width, 4);
  EXPECT_FALSE(saved.averaged);
  EXPECT_TRUE(at::equal(first_weight(saved), contents.tensors.at(first_name(saved))));
  EXPECT_FALSE(first_weight(saved).requires_grad());
  EXPECT_EQ(saved.model->origin(), path_.string());
}

TEST_F(SavedModelTest, AveragesAreLoadedUnlessRawWeightsAreRequested) {
  TensorFile contents = model_file(7);
  const TensorFile average = model_file(8);
  for (const auto& [name, tensor] : average.tensors)
    if (name.starts_with("generator."))
      contents.tensors["generator_ema." + name.substr(10)] = tensor;
  const SavedModel averaged = load(contents);
  EXPECT_TRUE(averaged.averaged);
  EXPECT_TRUE(at::equal(first_weight(averaged), average.tensors.at(first_name(averaged))));
  const SavedModel raw = load(contents, Weights::kRaw);
  EXPECT_FALSE(raw.averaged);
  EXPECT_TRUE(at::equal(first_weight(raw), contents.tensors.at(first_name(raw))));
}

TEST_F(SavedModelTest, ResetGivesInitialWeightsOfSeed) {
  SavedModel saved = load(model_file(7));
  reset_weights(saved, 9);
  const TensorFile fresh = model_file(9);
  EXPECT_TRUE(at::equal(first_weight(saved), fresh.tensors.at(first_name(saved))));
}

TEST_F(SavedModelTest, OtherFormatsAndVersionsAreRejected) {
  TensorFile contents = model_file(7);
  contents.metadata["format_version"] = "2";
  EXPECT_NE(rejected(contents).find("format_version"), std::string::npos);
  contents.metadata["format"] = "pt";
  EXPECT_NE(rejected(contents).find("\"pt\""), std::string::npos);
}

TEST_F(SavedModelTest, MissingAndMisshapenTensorsAreRejectedByName) {
  TensorFile contents = model_file(7);
  const std::string name = contents.tensors.begin()->first;
  contents.tensors[name] = at::zeros({1, 2, 3});
  EXPECT_NE(rejected(contents).find(name), std::string::npos);
  contents.tensors.erase(name);
  EXPECT_NE(rejected(contents).find(name), std::string::npos);
}

TEST_F(SavedModelTest, MetadataOfLargerNetworksIsRejectedBeforeAllocation) {
  TensorFile contents = model_file(7);
  contents.metadata["model.width"] = "65536";
  static_cast<void>(rejected(contents));
}

TEST_F(SavedModelTest, ValuesThatAreNotFiniteAreRejected) {
  TensorFile contents = model_file(7);
  auto& [name, tensor] = *contents.tensors.begin();
  tensor = tensor.clone();
  tensor.view(-1)[0] = std::numeric_limits<float>::quiet_NaN();
  const std::string message = rejected(contents);
  EXPECT_NE(message.find(name), std::string::npos);
  EXPECT_NE(message.find("1 of the"), std::string::npos);
}

TEST_F(SavedModelTest, MissingFileIsReported) {
  const std::string message = testing::message_of(ExitCode::kMissingInput, [&] {
    static_cast<void>(load_model(folder_.path() / "absent.safetensors", Weights::kRaw, at::kCPU));
  });
  EXPECT_NE(message.find("absent.safetensors"), std::string::npos);
}

}  // namespace
}  // namespace valley
