// Images in rows with words under each, in blocks with a title each, as one picture.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "record/image_grid.h"

namespace valley {

struct CaptionedImage {
  std::vector<std::uint8_t> pixels;  // [H, W, C]
  std::vector<std::string> lines;    // under it, ASCII
};

struct CaptionedBlock {
  std::string title;
  std::vector<CaptionedImage> images;
};

// Images of height x width x channels, at most `columns` in a row, small ones enlarged by a whole
// number to about 64 pixels. Blocks stand under each other. Error kConfig where the picture would
// be too large.
Png write_captioned(const std::filesystem::path& path, const std::vector<CaptionedBlock>& blocks,
                    std::int64_t height, std::int64_t width, std::int64_t channels,
                    std::int64_t columns);

}  // namespace valley
