// What `valley energy` finds, and how it says it: as a table or as JSON.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "app/energy_pairs.h"
#include "evaluate/detection.h"
#include "evaluate/labelled_images.h"
#include "evaluate/summary.h"

namespace valley::app {

// Images and their energies.
struct EnergySet {
  std::string name;  // "data" or "against"
  std::vector<std::string> inputs;
  std::uint64_t of = 0;  // images that the inputs hold
  std::shared_ptr<const LabelledImages> images;
  at::Tensor energies;  // float [images]

  [[nodiscard]] std::span<const float> values() const {
    return {energies.const_data_ptr<float>(), static_cast<std::size_t>(energies.numel())};
  }
};

struct SetDetection {
  Auroc auroc;
  Threshold threshold;  // that keeps kKept of the data
};
inline constexpr double kKept = 0.95;

// Nothing in it depends on the time or on the number of ranks.
struct EnergyReport {
  std::string model;            // a file
  std::string weights;          // "averaged" or "raw"
  std::string energy;           // what the numbers are
  bool is_density = false;      // whether differences of energy are ratios of the model's density
  std::vector<EnergySet> sets;  // the data, and what stands against them
  std::vector<Summary> summaries;
  std::optional<SetDetection> detection;
  std::vector<EnergyPair> pairs;
  // Further numbers of the model itself, by their names in the JSON, such as "log_z".
  std::vector<std::pair<std::string, double>> model_numbers;
};

// Fills in what follows from the energies: summaries and, of two sets, detection.
void summarize(EnergyReport& report);

[[nodiscard]] std::string to_table(const EnergyReport& report);
[[nodiscard]] std::string to_json(const EnergyReport& report);  // ends with a newline

}  // namespace valley::app
