// PNG, JPEG and WebP files, in folders or alone, as labelled images.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "evaluate/labelled_images.h"

namespace valley {

// The files of a folder, labelled as `valley shard build` does it by default (image/labels.h).
// `named_in_full`: their names begin with the folder's.
[[nodiscard]] std::unique_ptr<LabelledImages> open_image_folder(const std::filesystem::path& folder,
                                                                bool named_in_full,
                                                                const ImageShape& shape);

// Files that were named one by one, without labels.
[[nodiscard]] std::unique_ptr<LabelledImages> open_image_files(
    const std::vector<std::string>& paths, const ImageShape& shape);

}  // namespace valley
