// Random numbers of evaluations: Philox stream kEvaluate, keyed by the evaluation's seed, a purpose
// and an index, and so independent of the distribution over ranks.
#pragma once

#include <cmath>
#include <cstdint>
#include <numbers>
#include <utility>

#include "core/philox.h"

namespace valley {

// The upper bits of the Philox position; the index takes the lower 40.
enum class Drawn : std::uint64_t {
  kPatches = 1,     // index: image in its set; block: patch / 2
  kDirections = 2,  // index: direction; block: coordinate / 4
  kPairing = 3,     // index: pair
};

[[nodiscard]] inline PhiloxBlock draw(std::uint64_t seed, Drawn what, std::uint64_t index,
                                      std::uint32_t block = 0) {
  constexpr unsigned kIndexBits = 40;
  return philox(seed, static_cast<std::uint32_t>(RandomStream::kEvaluate),
                (static_cast<std::uint64_t>(what) << kIndexBits) + index, block);
}

// In [0, n), n < 2^32.
[[nodiscard]] inline std::int64_t below(std::uint32_t word, std::int64_t n) {
  constexpr unsigned kWordBits = 32;
  return static_cast<std::int64_t>(
      (static_cast<std::uint64_t>(word) * static_cast<std::uint64_t>(n)) >> kWordBits);
}

// Two independent normal numbers from two words (Box & Muller 1958).
[[nodiscard]] inline std::pair<double, double> normal_pair(std::uint32_t a, std::uint32_t b) {
  const double radius = std::sqrt(-2 * std::log((static_cast<double>(a) + 1) * 0x1p-32));
  const double angle = 2 * std::numbers::pi * static_cast<double>(b) * 0x1p-32;
  return {radius * std::cos(angle), radius * std::sin(angle)};
}

}  // namespace valley
