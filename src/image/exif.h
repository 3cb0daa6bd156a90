// The one thing that EXIF says about pixels: how the camera was held.
#pragma once

#include <optional>
#include <string_view>

#include "image/image.h"

namespace valley {

inline constexpr std::string_view kExifPrefix{"Exif\0\0", 6};

// The orientation, 1 to 8, in a TIFF structure with or without the prefix, as Pillow 9.4 reads it:
// a number of any type, the first where there are several, of the last field with this tag. 1 (as
// it is) for a field whose value makes no sense; nothing where there is no such field.
[[nodiscard]] std::optional<int> exif_orientation(std::string_view data);

// The image as it is meant to be seen: 2 mirrored, 3 turned by 180 degrees, 4 upside down, 5
// transposed, 6 turned right, 7 transposed about the other diagonal, 8 turned left.
[[nodiscard]] Image oriented(Image image, int orientation);

}  // namespace valley
