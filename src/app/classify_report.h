// What `valley classify` finds, and how it says it: as a table or as JSON.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "evaluate/classification.h"
#include "evaluate/labelled_images.h"

namespace valley::app {

// Nothing in it depends on the time or on the number of ranks.
struct ClassifyReport {
  std::string model;  // a file
  std::string method;
  std::vector<std::string> inputs;
  std::uint64_t of = 0;  // images that the inputs hold
  std::shared_ptr<const LabelledImages> images;
  std::vector<std::string> names;     // of the model's classes, their numbers where they have none
  std::vector<std::string> captions;  // the names, made distinct, for tables and pictures
  std::vector<std::int64_t> labels;   // of each image: a class of the model, -1: none
  std::optional<ClassProbabilities> probabilities;
  std::optional<Classification> result;  // where an image has a label
};

[[nodiscard]] bool has_labels(const ClassifyReport& report);

[[nodiscard]] std::string to_table(const ClassifyReport& report);
[[nodiscard]] std::string to_json(const ClassifyReport& report);  // ends with a newline

}  // namespace valley::app
