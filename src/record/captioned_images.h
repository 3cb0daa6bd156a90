// One image of rows of captioned images, in blocks with titles.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "record/image_grid.h"

namespace valley {

struct CaptionedImage {
  std::vector<std::uint8_t> pixels;  // [H, W, C]
  std::vector<std::string> lines;    // caption, ASCII
};

struct CaptionedBlock {
  std::string title;
  std::vector<CaptionedImage> images;
};

// Images of height x width x channels, at most `columns` per row, small ones enlarged by an integer
// factor to about 64 pixels. Blocks are below each other. Error kConfig if the result would be too
// large.
Png write_captioned(const std::filesystem::path& path, const std::vector<CaptionedBlock>& blocks,
                    std::int64_t height, std::int64_t width, std::int64_t channels,
                    std::int64_t columns);

}  // namespace valley
