// Multi-scale structural similarity of two images (Wang, Simoncelli, Bovik 2003): 1 for equal
// images. Its mean over random pairs of a set measures the similarity of the images.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace valley {

// Number of the paper's five scales for an image of this side, such that the coarsest is not
// smaller than the window of 11 pixels. 28 and 32: 2; 64: 3; 128: 4; 256: 5.
[[nodiscard]] std::int64_t ms_ssim_scales(std::int64_t side);

// A few images, preprocessed for comparison with each other.
//
// Each scale averages 2 x 2 pixels of the one before (an odd last row or column is left out). The
// window is Gaussian, 11 x 11, sigma 1.5, without padding; K1 = 0.01, K2 = 0.03. The term of a
// scale is the contrast-structure term, times the luminance term in the coarsest scale, averaged
// over pixels and channels and clamped at 0. The similarity is the product of the terms to the
// power of their weights: those of the paper (0.0448, 0.2856, 0.3001, 0.2363, 0.1333), normalized
// over the scales that the image has.
class MsSsim {
 public:
  explicit MsSsim(const at::Tensor& pixels);  // uint8 [n, H, W, C], sides at least 11
  [[nodiscard]] double similarity(std::int64_t i, std::int64_t j) const;

 private:
  struct Scale {
    at::Tensor images;    // float [n, C, h, w] in [0, 1]
    at::Tensor mean;      // float [n, C, h - 10, w - 10]
    at::Tensor variance;  // the same
  };
  struct Terms {
    double luminance_contrast;  // means over pixels and channels
    double contrast;
  };
  [[nodiscard]] static Terms compare(const Scale& scale, std::int64_t i, std::int64_t j);
  std::vector<Scale> scales_;
};

}  // namespace valley
