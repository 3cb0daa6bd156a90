// The comparison of `valley restore` as a PNG: rows of true, damaged, filled and restored images.
#pragma once

#include <filesystem>

#include "app/restore/report.h"

namespace valley::app {

// One column per image, eight columns per band, with PSNR (of all pixels) and energy below each
// image. Error kConfig if the comparison is too large for a PNG.
void write_comparison(const std::filesystem::path& path, const Restoration& restoration);

}  // namespace valley::app
