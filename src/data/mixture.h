// Several data sets as one, for training on a mixture: their images one after the other. Order
// (order.h) draws from each part with its share.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "data/dataset.h"

namespace valley {

struct WeightedDataset {
  std::shared_ptr<const Dataset> dataset;
  std::string path;  // as the user wrote it, for messages
  double weight = 1;
};

// The data set of one part is itself. Error kConfig naming both paths for images of another size or
// other channels. A mixture has the class names of its parts if all have the same, else none; its
// fingerprint consists of the shares and fingerprints of the parts.
[[nodiscard]] std::shared_ptr<const Dataset> mix_datasets(std::vector<WeightedDataset> parts);

}  // namespace valley
