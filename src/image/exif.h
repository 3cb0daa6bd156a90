// Orientation of an image from EXIF.
#pragma once

#include <optional>
#include <string_view>

#include "image/image.h"

namespace valley {

inline constexpr std::string_view kExifPrefix{"Exif\0\0", 6};

// Orientation, 1 to 8, in a TIFF structure with or without the prefix, as in Pillow 9.4: the first
// number, of any type, of the last field with this tag. 1 (unchanged) for an invalid value; nullopt
// without such a field.
[[nodiscard]] std::optional<int> exif_orientation(std::string_view data);

// Applies the orientation: 2 mirrored, 3 rotated by 180 degrees, 4 upside down, 5 transposed, 6
// rotated right, 7 transposed about the other diagonal, 8 rotated left.
[[nodiscard]] Image oriented(Image image, int orientation);

}  // namespace valley
