// Output of a codec: pixels as stored in the file, possibly with alpha, and their orientation.
#pragma once

#include <cstdint>

#include "image/image.h"

namespace valley {

struct Raster {
  Image pixels;         // 1 to 4 channels; the last of 2 and of 4 is alpha, not premultiplied
  int orientation = 1;  // 1 to 8, as in EXIF
};

}  // namespace valley
