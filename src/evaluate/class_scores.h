// Class scores of many images, distributed over ranks and threads, and the conversion of the
// images' labels to classes of the model.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "evaluate/blocks.h"
#include "evaluate/labeled_images.h"
#include "inference/image_classifier.h"

namespace valley {

// Collective: the scores of all images, float [n, classes] on the host of every rank, bitwise equal
// for any number of ranks and threads. Sets LibTorch to one thread meanwhile. `task`: its name in
// progress reports.
[[nodiscard]] at::Tensor class_scores(const Team& team, const std::string& task,
                                      const ImageClassifier& classifier,
                                      const LabeledImages& images);

// Error kData for scores that are not finite, naming `model` (the model's file), the number of such
// images and the first one.
void require_finite_scores(const at::Tensor& scores, const LabeledImages& images,
                           const std::string& model);

// For each image, its label as a class of the model, -1: none. If both the model and the images
// have class names, match_classes (class_map.h) matches them, so that the images may have fewer
// classes in another order; else labels are used as they are. Errors kData: those of match_classes,
// a label that is not one of the `classes`, and a number of names other than `classes` if the model
// has none.
[[nodiscard]] std::vector<std::int64_t> labels_for(const LabeledImages& images,
                                                   const std::vector<std::string>& model_names,
                                                   std::int64_t classes, const std::string& model);

}  // namespace valley
