// Encodes images as JPEG files.
#pragma once

#include <cstdint>
#include <vector>

#include "image/image.h"

namespace valley {

// Baseline JPEG of an image of 1 or 3 channels and at most 65,500 pixels per side. `quality` is
// libjpeg's, 1 to 100; color has Pillow's default 4:2:0 subsampling; Huffman tables are optimized.
// The bytes depend only on pixels, quality and the version of the library. Errors: kOutOfMemory;
// kUsage in a build without JPEG.
[[nodiscard]] std::vector<std::uint8_t> encode_jpeg(const Image& image, int quality);

}  // namespace valley
