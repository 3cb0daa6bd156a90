#include "tools/perceptual_hash.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <numbers>
#include <vector>

#include "image/fit.h"
#include "image/resample.h"

namespace valley {
namespace {

constexpr std::size_t kGraySide = 32;
constexpr std::size_t kFrequencies = PerceptualHash::kSide;
using Coefficients = std::array<float, kFrequencies * kFrequencies>;

const std::array<float, kFrequencies * kGraySide>& cosines() {
  static const auto table = [] {
    std::array<float, kFrequencies * kGraySide> cosines{};
    for (std::size_t f = 0; f < kFrequencies; ++f)
      for (std::size_t x = 0; x < kGraySide; ++x)
        cosines[f * kGraySide + x] =
            static_cast<float>(std::cos(std::numbers::pi / kGraySide *
                                        (static_cast<double>(x) + 0.5) * static_cast<double>(f)));
    return cosines;
  }();
  return table;
}

// Discrete cosine transform of kGraySide x kGraySide values, its low frequencies.
Coefficients low_frequencies(const std::vector<std::uint8_t>& gray) {
  const auto& table = cosines();
  std::array<float, kGraySide * kFrequencies> rows{};
  for (std::size_t y = 0; y < kGraySide; ++y)
    for (std::size_t f = 0; f < kFrequencies; ++f) {
      float sum = 0;
      for (std::size_t x = 0; x < kGraySide; ++x)
        sum += static_cast<float>(gray[y * kGraySide + x]) * table[f * kGraySide + x];
      rows[f * kGraySide + y] = sum;
    }
  Coefficients found{};
  for (std::size_t v = 0; v < kFrequencies; ++v)
    for (std::size_t u = 0; u < kFrequencies; ++u) {
      float sum = 0;
      for (std::size_t y = 0; y < kGraySide; ++y)
        sum += rows[u * kGraySide + y] * table[v * kGraySide + y];
      found[v * kFrequencies + u] = sum;
    }
  return found;
}

// Coefficients get smaller with the frequency: limits are relative to those of the same u + v.
void set_bits(const Coefficients& found, PerceptualHash& hash) {
  constexpr float kLimit = 0.3F;
  constexpr float kUnsure = 0.25F;
  constexpr float kNoise = 48;  // coefficient of noise of about a gray level
  std::array<float, 2 * kFrequencies> squares{};
  std::array<float, 2 * kFrequencies> count{};
  for (std::size_t i = 1; i < found.size(); ++i) {
    const std::size_t ring = i / kFrequencies + i % kFrequencies;
    squares[ring] += found[i] * found[i];
    ++count[ring];
  }
  for (std::size_t i = 1; i < found.size(); ++i) {
    const std::size_t ring = i / kFrequencies + i % kFrequencies;
    const float scale = std::max(std::sqrt(squares[ring] / count[ring]), kNoise);
    const std::uint64_t bit = std::uint64_t{1} << (i % 64);
    if (found[i] > kLimit * scale) hash.bits[i / 64] |= bit;
    if (std::abs(found[i] - kLimit * scale) < kUnsure * scale) hash.unsure[i / 64] |= bit;
  }
}

}  // namespace

PerceptualHash perceptual_hash(const Image& image) {
  PerceptualHash hash;
  const Image gray = resample(with_channels(image, 1), kGraySide, kGraySide, Filter::kBilinear);
  set_bits(low_frequencies(gray.pixels), hash);
  constexpr auto kCells = static_cast<std::int64_t>(PerceptualHash::kCells);
  const Image cells = resample(image, kCells, kCells, Filter::kBilinear);
  std::ranges::copy(cells.pixels, hash.cells.begin());
  return hash;
}

unsigned bit_distance(const PerceptualHash& a, const PerceptualHash& b) {
  unsigned distance = 0;
  for (std::size_t i = 0; i < a.bits.size(); ++i)
    distance +=
        static_cast<unsigned>(std::popcount((a.bits[i] ^ b.bits[i]) & ~a.unsure[i] & ~b.unsure[i]));
  return distance;
}

double cell_distance(const PerceptualHash& a, const PerceptualHash& b) {
  int sum = 0;
  for (std::size_t i = 0; i < a.cells.size(); ++i) {
    const int difference = a.cells[i] - b.cells[i];
    sum += difference * difference;
  }
  return std::sqrt(static_cast<double>(sum) / static_cast<double>(a.cells.size()));
}

}  // namespace valley
