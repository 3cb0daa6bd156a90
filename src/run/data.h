// The data sets of a run, opened and checked against the config before anything else.
#pragma once

#include <memory>

#include "comm/world.h"
#include "data/dataset.h"
#include "experiment/experiment.h"
#include "storage/safetensors.h"

namespace valley {

struct RunData {
  std::shared_ptr<const Dataset> training;
  std::shared_ptr<const Dataset> validation;  // null if data.validation is empty
};

// Collective. Error kConfig if the size or channels of the images differ from model.*. If the
// objective needs labels: error kData for an image without a label or with one beyond model.labels,
// and for validation data or parts of a mixture with other classes. Warns if the validation data
// are training data.
[[nodiscard]] RunData open_run_data(World& world, const Experiment& experiment);

// Adds the class names to a model with labels: metadata "data.class_names", JSON.
void add_class_names(const Experiment& experiment, const Dataset& dataset, TensorFile& model);

// Collective. Error kConfig if ranks have opened different data.
void require_same_data(World& world, const RunData& data);

}  // namespace valley
