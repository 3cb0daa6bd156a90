#include "data/pixel_sums.h"

#include <algorithm>

#include "core/error.h"

namespace valley {
namespace {

// A multiple of the channels and of the register size, so that the compiler adds whole registers.
constexpr std::size_t kLanes = 48;
constexpr std::size_t kChunks = 65536;  // 255^2 times this fits into 32 bits

}  // namespace

void PixelSums::add(Bytes pixels, std::int64_t channels) {
  VALLEY_CHECK(channels == 1 || channels == 3);
  const auto step = static_cast<std::size_t>(channels);
  while (!pixels.empty()) {
    std::array<std::uint32_t, kLanes> sums{};
    std::array<std::uint32_t, kLanes> squares{};
    const std::size_t chunks = std::min(kChunks, pixels.size() / kLanes);
    for (std::size_t chunk = 0; chunk < chunks; ++chunk) {
      const std::byte* from = pixels.data() + chunk * kLanes;
      for (std::size_t i = 0; i < kLanes; ++i) {
        const auto value = std::to_integer<std::uint32_t>(from[i]);
        sums[i] += value;
        squares[i] += value * value;
      }
    }
    pixels = pixels.subspan(chunks * kLanes);
    const std::size_t rest = chunks == 0 ? pixels.size() : 0;
    for (std::size_t i = 0; i < rest; ++i) {
      const auto value = std::to_integer<std::uint32_t>(pixels[i]);
      sums[i] += value;
      squares[i] += value * value;
    }
    pixels = pixels.subspan(rest);
    for (std::size_t i = 0; i < kLanes; ++i) {
      sum[i % step] += sums[i];
      sum_squares[i % step] += squares[i];
    }
  }
}

void PixelSums::add(const PixelSums& other) {
  for (std::size_t c = 0; c < sum.size(); ++c) {
    sum[c] += other.sum[c];
    sum_squares[c] += other.sum_squares[c];
  }
}

}  // namespace valley
