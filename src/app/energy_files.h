// Files of energies, an image each, for other programs.
#pragma once

#include <string>
#include <vector>

#include "app/energy_report.h"

namespace valley::app {

enum class EnergyFormat { kJsonl, kCsv, kNpy };

// By the ending of the name: .jsonl, .csv or .npy. Error kUsage naming them for any other.
[[nodiscard]] EnergyFormat energy_format(const std::string& path);

// The energies of all sets, one set after the other, in the order of their images. JSON lines and
// CSV have of each image index, name, label (-1: none), energy and, where there are two sets, set;
// numbers are as short as reads back to the same float. NPY (format 1.0) has float32 [images]
// alone.
[[nodiscard]] std::string energies_as(EnergyFormat format, const std::vector<EnergySet>& sets);

}  // namespace valley::app
