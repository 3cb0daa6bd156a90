// Exact sums of stored values per channel: integers, so the order of addition does not matter.
#pragma once

#include <array>
#include <cstdint>

#include "core/hash.h"

namespace valley {

struct PixelSums {
  std::array<std::uint64_t, 3> sum{};
  std::array<std::uint64_t, 3> sum_squares{};

  // Interleaved pixels of 1 or 3 channels.
  void add(Bytes pixels, std::int64_t channels);
  void add(const PixelSums& other);
};

}  // namespace valley
