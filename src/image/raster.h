// What a codec gives: pixels as the file has them, possibly with alpha, and how to turn them.
#pragma once

#include <cstdint>

#include "image/image.h"

namespace valley {

struct Raster {
  Image pixels;         // 1 to 4 channels; the last of 2 and of 4 is alpha, not premultiplied
  int orientation = 1;  // 1 to 8, of EXIF
};

}  // namespace valley
