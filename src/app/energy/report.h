// The result of `valley energy`, as text and as JSON.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "app/energy/pairs.h"
#include "evaluate/detection.h"
#include "evaluate/labeled_images.h"
#include "evaluate/summary.h"

namespace valley::app {

// Images and their energies.
struct EnergySet {
  std::string name;  // "data" or "against"
  std::vector<std::string> inputs;
  std::uint64_t of = 0;  // number of images in the inputs
  std::shared_ptr<const LabeledImages> images;
  at::Tensor energies;  // float [images]

  [[nodiscard]] std::span<const float> values() const {
    return {energies.const_data_ptr<float>(), static_cast<std::size_t>(energies.numel())};
  }
};

struct SetDetection {
  Auroc auroc;
  Threshold threshold;  // accepts kTruePositiveRate of the data
};
inline constexpr double kTruePositiveRate = 0.95;

// Depends neither on the time nor on the number of ranks.
struct EnergyReport {
  std::string model;            // path of its file
  std::string weights;          // "averaged" or "raw"
  std::string energy;           // description of the energy function
  bool is_density = false;      // true: energy differences are log ratios of the model's density
  std::vector<EnergySet> sets;  // "data", then "against" if given
  std::vector<Summary> summaries;
  std::optional<SetDetection> detection;
  std::vector<EnergyPair> pairs;
  // Further values of the model, by their names in the JSON, such as "log_z".
  std::vector<std::pair<std::string, double>> model_values;
};

// Computes summaries, pair differences and, for two sets, detection from the energies.
void summarize(EnergyReport& report);

[[nodiscard]] std::string to_table(const EnergyReport& report);
[[nodiscard]] std::string to_json(const EnergyReport& report);  // ends with a newline

}  // namespace valley::app
