// The classes that a saved model tells images apart by: what `valley classify` uses.
//
// To let another kind of model be used: an ImageClassifier of its own, and a case in
// make_image_classifier.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "inference/saved_model.h"

namespace valley {

class ImageClassifier {
 public:
  virtual ~ImageClassifier() = default;

  // images: float [B, C, H, W] in [0, 1] on device(); returns float [B, classes()]: log P(y | x) up
  // to a constant of each image. Several threads may call at once on CPUs.
  [[nodiscard]] virtual at::Tensor scores(const at::Tensor& images) const = 0;
  [[nodiscard]] virtual std::int64_t classes() const = 0;
  // How they are found, for people.
  [[nodiscard]] virtual std::string method() const = 0;
  [[nodiscard]] virtual at::Device device() const = 0;
};

// The classifier of a saved model on `device`, which must outlive what is returned. Error kUsage
// naming the file for a model that has no classes.
[[nodiscard]] std::unique_ptr<ImageClassifier> make_image_classifier(const SavedModel& saved,
                                                                     at::Device device);

// The names that the classes had in the data that the model was trained on, at most `classes` of
// them; empty where the file does not say. Error kData for metadata that are no such list.
[[nodiscard]] std::vector<std::string> class_names_of(const SavedModel& saved,
                                                      std::int64_t classes);

}  // namespace valley
