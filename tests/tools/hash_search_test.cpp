#include "tools/hash_search.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <vector>

#include "core/hash.h"
#include "image/resample.h"
#include "tools/perceptual_hash.h"

namespace valley {
namespace {

// A smooth image of 64 x 64 pixels, chosen by `seed`.
Image smooth_image(std::uint64_t seed) {
  Image coarse(6, 6, 3);
  for (std::size_t i = 0; i < coarse.pixels.size(); ++i)
    coarse.pixels[i] = static_cast<std::uint8_t>(hash64(seed, i, 0));
  return resample(coarse, 64, 64, Filter::kBicubic);
}

Image with_noise(Image image, std::uint64_t seed) {
  for (std::size_t i = 0; i < image.pixels.size(); ++i) {
    const int noise = static_cast<int>(hash64(seed, i, 1) % 9) - 4;
    image.pixels[i] = static_cast<std::uint8_t>(std::clamp(image.pixels[i] + noise, 0, 255));
  }
  return image;
}

TEST(HashSearch, FindsNoisyCopiesAndNoOtherPairs) {
  constexpr std::uint32_t kImages = 500;
  std::vector<PerceptualHash> hashes;
  for (std::uint32_t i = 0; i < kImages; ++i) hashes.push_back(perceptual_hash(smooth_image(i)));
  for (std::uint32_t i = 0; i < kImages; ++i)
    hashes.push_back(perceptual_hash(with_noise(smooth_image(i), i)));
  const auto pairs = similar_pairs(hashes, {}, 2);
  std::uint32_t copies = 0;
  for (const auto& [a, b] : pairs) copies += b == a + kImages ? 1 : 0;
  EXPECT_EQ(copies, kImages);
  EXPECT_LE(pairs.size(), kImages + 5);
  EXPECT_EQ(similar_pairs(hashes, {}, 1), pairs);
}

TEST(HashSearch, ManyEqualHashesTakeBoundedTime) {
  constexpr std::size_t kImages = 20'000;
  const std::vector<PerceptualHash> hashes(kImages, perceptual_hash(Image(64, 64, 3, 255)));
  const auto pairs = similar_pairs(hashes, {}, 1);
  EXPECT_GE(pairs.size(), kImages - 1);
  EXPECT_LE(pairs.size(), kImages * 64);
}

}  // namespace
}  // namespace valley
