// Laplacian pyramids (Burt & Adelson 1983): details of an image at each scale, and a small
// residual.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace valley {

// Sides of the levels of an image: its side, halved (rounded up) until it is at most 16.
// 64: 64, 32, 16. 28: 28, 14.
[[nodiscard]] std::vector<std::int64_t> pyramid_sides(std::int64_t side);

// Level `level` of the Laplacian pyramid of each image: the image halved `level` times, minus its
// next halving doubled again; the last level is the halved image itself.
// Halving: the 5-tap binomial filter (1, 4, 6, 4, 1) / 16 in both directions, mirrored at the
// edges, then every second pixel; doubling: zeros between the pixels, the same filter, times 4.
//   pixels  uint8 [n, H, W, C]; returns float [n, C, h, w], in the range of the pixels (0..255)
[[nodiscard]] at::Tensor laplacian_level(const at::Tensor& pixels, std::int64_t level,
                                         std::int64_t levels);

}  // namespace valley
