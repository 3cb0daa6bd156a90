// Pairs of similar perceptual hashes, without comparing all pairs: multi-index hashing with several
// tables, each keyed by some bits. Bits that noise may flip are tried both ways.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "tools/perceptual_hash.h"

namespace valley {

struct SearchLimits {
  unsigned max_bits = 40;  // of bit_distance
  double max_cell_distance = 20;
};

// Pairs (i, j), i < j, sorted; the result does not depend on `jobs`. Where very many hashes share a
// key, each is compared with its nearest neighbors in the order of the bits only.
[[nodiscard]] std::vector<std::pair<std::uint32_t, std::uint32_t>> similar_pairs(
    const std::vector<PerceptualHash>& hashes, const SearchLimits& limits, unsigned jobs);

}  // namespace valley
