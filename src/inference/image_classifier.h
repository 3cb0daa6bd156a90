// Classification of images by a saved model.
//
// To add a kind of model: implement ImageClassifier and add a case to make_image_classifier.
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
  // to a constant per image. Thread-safe on CPUs.
  [[nodiscard]] virtual at::Tensor scores(const at::Tensor& images) const = 0;
  [[nodiscard]] virtual std::int64_t classes() const = 0;
  // Description of the method, for reports.
  [[nodiscard]] virtual std::string method() const = 0;
  [[nodiscard]] virtual at::Device device() const = 0;
};

// The classifier of a saved model on `device`, which must outlive what is returned. Error kUsage
// naming the file for a model that has no classes.
[[nodiscard]] std::unique_ptr<ImageClassifier> make_image_classifier(const SavedModel& saved,
                                                                     at::Device device);

// Class names of the training data, at most `classes`; empty if the file has none. Error kData for
// metadata that are not such a list.
[[nodiscard]] std::vector<std::string> read_class_names(const SavedModel& saved,
                                                        std::int64_t classes);

}  // namespace valley
