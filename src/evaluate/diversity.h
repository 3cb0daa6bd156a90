// How unlike each other the images of a set are, over random pairs of them.
#pragma once

#include <cstdint>

#include "evaluate/blocks.h"
#include "evaluate/image_set.h"

namespace valley {

inline constexpr std::int64_t kPairs = 10'000;

struct Diversity {
  double ms_ssim;   // mean similarity, 1: all the same
  double distance;  // mean of the RMS difference of the values, 0..1: what mean_pairwise_distance
                    // takes over all pairs
};

// Over 10,000 pairs of two different images each. Both images of a pair are of one block, so that
// no rank needs another's images: as a set's images come in random order, that is no restriction.
// Images are at least 11 pixels wide and high, `set` has two or more. Collective; the same on every
// rank.
[[nodiscard]] Diversity diversity(const Team& team, const ImageSet& set, std::uint64_t seed);

}  // namespace valley
