// The result of `valley classify`, as text and as JSON.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "evaluate/classification.h"
#include "evaluate/labeled_images.h"

namespace valley::app {

// Depends neither on the time nor on the number of ranks.
struct ClassifyReport {
  std::string model;  // path of its file
  std::string method;
  std::vector<std::string> inputs;
  std::uint64_t of = 0;  // number of images in the inputs
  std::shared_ptr<const LabeledImages> images;
  std::vector<std::string> names;     // class names of the model, indices for unnamed classes
  std::vector<std::string> captions;  // the names, made distinct, for tables and plots
  std::vector<std::int64_t> labels;   // per image: a class of the model, -1: none
  std::optional<ClassProbabilities> probabilities;
  std::optional<Classification> result;  // present if any image has a label
};

[[nodiscard]] bool has_labels(const ClassifyReport& report);

[[nodiscard]] std::string to_table(const ClassifyReport& report);
[[nodiscard]] std::string to_json(const ClassifyReport& report);  // ends with a newline

}  // namespace valley::app
