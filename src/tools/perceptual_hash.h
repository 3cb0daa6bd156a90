// A hash of the look of an image, for finding candidates of near copies: rescaling, recompression
// and small crops change few bits.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "image/image.h"

namespace valley {

struct PerceptualHash {
  static constexpr std::size_t kSide = 16;  // frequencies per direction
  static constexpr std::size_t kCells = 8;  // per side

  // Signs of the low frequencies of a discrete cosine transform of the gray image, horizontal
  // frequency fastest: 1 where a coefficient clearly exceeds 0.
  std::array<std::uint64_t, kSide * kSide / 64> bits{};
  // Bits whose coefficients are so near the limit that noise may flip them.
  std::array<std::uint64_t, kSide * kSide / 64> unsure{};
  std::array<std::uint8_t, kCells * kCells * 3> cells{};  // mean colors

  [[nodiscard]] bool bit(std::size_t i) const { return (bits[i / 64] >> (i % 64) & 1U) != 0; }
  [[nodiscard]] bool is_unsure(std::size_t i) const {
    return (unsure[i / 64] >> (i % 64) & 1U) != 0;
  }
};

// Hash of an image with 3 channels.
[[nodiscard]] PerceptualHash perceptual_hash(const Image& image);

// Number of bits that differ and are not unsure in either hash.
[[nodiscard]] unsigned bit_distance(const PerceptualHash& a, const PerceptualHash& b);

// Root mean square of the differences of the cells, 0..255.
[[nodiscard]] double cell_distance(const PerceptualHash& a, const PerceptualHash& b);

}  // namespace valley
