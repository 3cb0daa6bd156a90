// The formats of export.h.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "data/dataset.h"
#include "tools/export.h"

namespace valley {

// Images that are encoded before they are written: limits memory.
[[nodiscard]] std::uint64_t export_slots(const Dataset& dataset, const ExportOptions& options);

// The PNG of an image.
[[nodiscard]] std::string png_of(const Dataset& dataset, std::uint64_t index);

// Files and their size.
struct ExportedFiles {
  std::uint64_t files = 0;
  std::uint64_t bytes = 0;
};
ExportedFiles export_webdataset(const Dataset& dataset, const ExportOptions& options);
ExportedFiles export_npz(const Dataset& dataset, const ExportOptions& options);

// A folder that export_webdataset wrote.
[[nodiscard]] bool is_webdataset_export(const std::filesystem::path& folder);

}  // namespace valley
