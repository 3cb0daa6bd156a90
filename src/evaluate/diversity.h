// Diversity of a set of images, measured over random pairs.
#pragma once

#include <cstdint>

#include "evaluate/blocks.h"
#include "evaluate/image_set.h"

namespace valley {

inline constexpr std::int64_t kPairs = 10'000;

struct Diversity {
  double ms_ssim;  // mean similarity, 1: identical images
  double
      distance;  // mean RMS difference of the pixels, 0..1, as mean_pairwise_distance for all pairs
};

// Averages over 10,000 pairs of different images. Both images of a pair are in one block, so that
// no rank needs images of another; the order of the images must be random. Requires at least two
// images with sides of at least 11 pixels. Collective; equal on every rank.
[[nodiscard]] Diversity diversity(const Team& team, const ImageSet& set, std::uint64_t seed);

}  // namespace valley
