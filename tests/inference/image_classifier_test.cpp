#include "inference/image_classifier.h"

#include "methods/dbn/networks.h"
#include "toy_models.h"

namespace valley {
namespace {

using testing::kToyDbnSide;
using testing::toy_dbn;

TEST(ImageClassifier, ScoresOfLabelUnitsAreNegativeFreeEnergies) {
  const SavedModel saved = toy_dbn({5}, 3);
  const auto classifier = make_image_classifier(saved, at::kCPU);
  EXPECT_EQ(classifier->classes(), 3);
  const auto& dbn = dynamic_cast<const DeepBeliefNetwork&>(*saved.model);
  const at::Tensor x = at::rand({2, 1, kToyDbnSide, kToyDbnSide});
  const at::Tensor expected = -dbn.top().free_energies_of_labels(dbn.visible_from_images(x));
  // Up to a constant per image.
  const at::Tensor difference = classifier->scores(x) - expected;
  EXPECT_LT((difference - difference.narrow(1, 0, 1)).abs().max().item<double>(), 1e-4);
}

TEST(ImageClassifier, ModelsWithoutClassesAreRejected) {
  const SavedModel unlabeled = toy_dbn({5});
  const auto make = [](const SavedModel& saved) {
    return testing::message_of(ExitCode::kUsage,
                               [&] { static_cast<void>(make_image_classifier(saved, at::kCPU)); });
  };
  EXPECT_NE(make(unlabeled).find("model.labels"), std::string::npos);
  EXPECT_NE(make(testing::toy_gan()).find("ebgan"), std::string::npos);
}

TEST(ClassNames, AreReadFromMetadata) {
  SavedModel saved = toy_dbn({5}, 2);
  EXPECT_TRUE(read_class_names(saved, 2).empty());
  saved.metadata["data.class_names"] = R"(["cat", "d\u00f6g"])";
  EXPECT_EQ(read_class_names(saved, 2), (std::vector<std::string>{"cat", "d\xC3\xB6g"}));
}

TEST(ClassNames, OtherMetadataIsRejectedWithFileName) {
  SavedModel saved = toy_dbn({5}, 2);
  for (const char* text : {"", "[", "{}", "[1]", R"(["a", "b", "c"])", R"(["a", null])"}) {
    saved.metadata["data.class_names"] = text;
    const std::string message = testing::message_of(
        ExitCode::kData, [&] { static_cast<void>(read_class_names(saved, 2)); });
    EXPECT_NE(message.find("toy.safetensors"), std::string::npos) << text;
  }
}

}  // namespace
}  // namespace valley
