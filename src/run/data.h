// The data of a run: opened, and held against the config, before anything else is done.
#pragma once

#include <memory>

#include "comm/world.h"
#include "data/dataset.h"
#include "experiment/experiment.h"
#include "storage/safetensors.h"

namespace valley {

struct RunData {
  std::shared_ptr<const Dataset> training;
  std::shared_ptr<const Dataset> validation;  // null where data.validation names none
};

// Collective. Error kConfig for images of another size or kind than model.* says; where the
// objective needs labels, kData for an image without one or beyond model.labels, and for validation
// data whose classes are others. Says so where the validation data are the training data.
[[nodiscard]] RunData open_run_data(World& world, const Experiment& experiment);

// Writes the names of the classes into a model that tells them: metadata "data.class_names", JSON.
void note_class_names(const Experiment& experiment, const Dataset& dataset, TensorFile& model);

// Collective: error kConfig where ranks have opened different data.
void require_same_data(World& world, const RunData& data);

}  // namespace valley
