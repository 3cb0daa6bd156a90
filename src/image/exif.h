// The one thing that EXIF says about pixels: how the camera was held.
#pragma once

#include <string_view>

#include "image/image.h"

namespace valley {

inline constexpr std::string_view kExifPrefix{"Exif\0\0", 6};

// The orientation, 1 to 8, in a TIFF structure with or without the prefix; 1 (as it is) where it
// holds none, or none that makes sense.
[[nodiscard]] int exif_orientation(std::string_view data);

// The image as it is meant to be seen: 2 mirrored, 3 turned by 180 degrees, 4 upside down, 5
// transposed, 6 turned right, 7 transposed about the other diagonal, 8 turned left.
[[nodiscard]] Image oriented(Image image, int orientation);

}  // namespace valley
