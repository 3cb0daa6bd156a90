// Chart of a confusion matrix: one square per pair of classes, darker for larger shares.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "record/image_grid.h"

namespace valley {

// counts: [label, predicted] for the named classes. The shade of a square is its share of the
// images of its label (row). Numbers are written into squares that are large enough. Error kConfig
// for more classes than fit into an image.
Png write_confusion(const std::filesystem::path& path, const std::vector<std::string>& names,
                    std::span<const std::uint64_t> counts);

}  // namespace valley
