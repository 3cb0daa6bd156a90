// Files of energies, one per image, for other programs.
#pragma once

#include <string>
#include <vector>

#include "app/energy/report.h"

namespace valley::app {

enum class EnergyFormat { kJsonl, kCsv, kNpy };

// From the file extension, .jsonl, .csv or .npy. Error kUsage for any other.
[[nodiscard]] EnergyFormat energy_format(const std::string& path);

// The energies of all sets, one set after the other. JSON lines and CSV have per image: index,
// name, label (-1: none), energy and, for two sets, set; values have the fewest digits that read
// back as the same float. NPY (format 1.0) holds float32 [images].
[[nodiscard]] std::string format_energies(EnergyFormat format, const std::vector<EnergySet>& sets);

}  // namespace valley::app
