// Sliced Wasserstein distance between the patches of two sets of images (Karras, Aila, Laine,
// Lehtinen: Progressive Growing of GANs, ICLR 2018, section 5), at each level of their Laplacian
// pyramids.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "evaluate/blocks.h"
#include "evaluate/image_set.h"

namespace valley {

inline constexpr std::int64_t kPatchSide = 7;
inline constexpr std::int64_t kPatchesPerImage = 128;
inline constexpr std::int64_t kSlices = 512;  // random directions: the paper's 4 x 128

// Patches at random positions, which depend on `seed` and the index of the image only.
//   images  float [n, C, h, w], sides at least 7; image i has the index first + i
//   returns float [n * 128, C * 49]
[[nodiscard]] at::Tensor random_patches(const at::Tensor& images, std::uint64_t seed,
                                        std::int64_t first);

// This rank's patches of a pyramid level, standardized: each channel has mean 0 and standard
// deviation 1 over the patches of the whole set. float [own images * 128, C * 49]. Collective.
[[nodiscard]] at::Tensor standard_patches(const Team& team, const ImageSet& set, std::uint64_t seed,
                                          std::int64_t level, std::int64_t levels);

// 1000 times the mean over random directions of the Wasserstein-1 distance between projections of
// the patches of `reference` and of each of `others`. All hold this rank's patches of sets with the
// same number of `images`. Collective; equal on every rank.
[[nodiscard]] std::vector<double> sliced_distances(const Team& team, std::uint64_t seed,
                                                   const at::Tensor& reference,
                                                   const std::vector<at::Tensor>& others,
                                                   std::int64_t images);

}  // namespace valley
