// Multi-scale structural similarity of two images (Wang, Simoncelli, Bovik 2003): 1 for equal ones.
// Averaged over random pairs of a set it tells how alike its images are.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace valley {

// How many of the paper's five scales an image of that side has: those whose side is at least that
// of the window, 11 pixels. 28 and 32: 2; 64: 3; 128: 4; 256: 5.
[[nodiscard]] std::int64_t ms_ssim_scales(std::int64_t side);

// A few images, prepared for being compared with each other.
//
// A scale is the one before it averaged over 2 x 2 pixels (an odd last row or column is left out).
// The window is Gaussian, 11 x 11, sigma 1.5, used where it fits wholly; K1 = 0.01, K2 = 0.03. A
// scale's contrast-structure term, for the coarsest scale with the luminance term, is the mean over
// all its pixels and channels, taken as 0 where it is negative, to the power of the scale's weight:
// the paper's weights (0.0448, 0.2856, 0.3001, 0.2363, 0.1333) for the scales there are, divided by
// their sum. The product over the scales is the similarity.
class MsSsim {
 public:
  explicit MsSsim(const at::Tensor& pixels);  // uint8 [n, H, W, C], sides at least 11
  [[nodiscard]] double similarity(std::int64_t i, std::int64_t j) const;

 private:
  struct Scale {
    at::Tensor images;    // float [n, C, h, w] in [0, 1]
    at::Tensor mean;      // float [n, C, h - 10, w - 10]
    at::Tensor variance;  // likewise
  };
  struct Terms {
    double luminance_contrast;  // means over pixels and channels
    double contrast;
  };
  [[nodiscard]] static Terms compare(const Scale& scale, std::int64_t i, std::int64_t j);
  std::vector<Scale> scales_;
};

}  // namespace valley
