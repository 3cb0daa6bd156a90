// Which classes are taken for which, as a picture: a square a pair of them, dark where it is often.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "record/image_grid.h"

namespace valley {

// counts: [label, predicted] of as many classes as there are names. A square's shade is the share
// of its label's images, a row's sum. Numbers are written into squares that have room for them.
// Error kConfig for more classes than a picture holds.
Png write_confusion(const std::filesystem::path& path, const std::vector<std::string>& names,
                    std::span<const std::uint64_t> counts);

}  // namespace valley
