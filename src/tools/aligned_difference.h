// The second check of a pair of images: are they the same but for scale, a small crop, blur and
// compression?
#pragma once

#include <cstdint>
#include <vector>

#include "image/image.h"

namespace valley {

// An image prepared for comparisons.
struct PreparedImage {
  std::int64_t side = 0;      // pixels; the image is square
  std::vector<float> colors;  // [3, side, side], slightly blurred
  std::vector<float> luma;    // [side, side], like the slopes, in gray levels per pixel
  std::vector<float> slope_x;
  std::vector<float> slope_y;
};

// `image` has 3 channels and equal sides.
[[nodiscard]] PreparedImage prepare_image(const Image& image);

// Shifts and stretches `b` so that it fits `a` best (by up to 6 % and 5 % of the side), and returns
// the largest local difference of colors, relative to the noise that compression and resampling
// leave there: noise is larger near edges. 0: equal; copies have up to about 1. A margin of about
// one pixel is not compared, because a crop changes it.
[[nodiscard]] double aligned_difference(const PreparedImage& a, const PreparedImage& b);

}  // namespace valley
