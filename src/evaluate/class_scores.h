// What a classifier says of many images, shared out over ranks and threads, and which of its
// classes the images' labels mean.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "evaluate/blocks.h"
#include "evaluate/labelled_images.h"
#include "inference/image_classifier.h"

namespace valley {

// Collective: float [n, classes] on the host, the scores of each image in their order, on every
// rank; the same bits for any number of ranks and threads. LibTorch's threads are set to one
// meanwhile. `doing`: what the team's progress calls it.
[[nodiscard]] at::Tensor class_scores(const Team& team, const std::string& doing,
                                      const ImageClassifier& classifier,
                                      const LabelledImages& images);

// Error kData where scores are not finite: of how many images, the name of the first, and `model`,
// the file that gave them.
void require_finite_scores(const at::Tensor& scores, const LabelledImages& images,
                           const std::string& model);

// Of each image the class of the model that its label is, -1: it has none. Where both the model
// and the images have names of classes, they are matched as match_classes does (class_map.h), so
// that a part of the classes will do, in any order; else it is the label's own number. Errors
// kData: those of match_classes, a label that is none of its `classes`, other than `classes` names
// where the model has none.
[[nodiscard]] std::vector<std::int64_t> labels_for(const LabelledImages& images,
                                                   const std::vector<std::string>& model_names,
                                                   std::int64_t classes, const std::string& model);

}  // namespace valley
