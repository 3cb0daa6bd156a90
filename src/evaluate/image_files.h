// PNG, JPEG and WebP files, in folders or single, as labeled images.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "evaluate/labeled_images.h"

namespace valley {

// The files of a folder, labeled as by default in `valley shard build` (sources/labels.h).
// `full_names`: image names include the path of the folder.
[[nodiscard]] std::unique_ptr<LabeledImages> open_image_folder(const std::filesystem::path& folder,
                                                               bool full_names,
                                                               const ImageShape& shape);

// Single files, without labels.
[[nodiscard]] std::unique_ptr<LabeledImages> open_image_files(const std::vector<std::string>& paths,
                                                              const ImageShape& shape);

}  // namespace valley
