#include "tools/aligned_difference.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>

#include "image/resample.h"

namespace valley {
namespace {

constexpr std::int64_t kSide = 64;

// A disc with a face of two eyes on a light ground; `left`: shift of the right eye in pixels.
Image face(std::int64_t left, std::uint8_t red = 250) {
  Image image(128, 128, 3, 240);
  const auto disc = [&image](std::int64_t cx, std::int64_t cy, std::int64_t radius, std::uint8_t r,
                             std::uint8_t g, std::uint8_t b) {
    for (std::int64_t y = 0; y < image.height; ++y)
      for (std::int64_t x = 0; x < image.width; ++x)
        if ((x - cx) * (x - cx) + (y - cy) * (y - cy) <= radius * radius) {
          image.row(y)[3 * x] = r;
          image.row(y)[3 * x + 1] = g;
          image.row(y)[3 * x + 2] = b;
        }
  };
  disc(64, 64, 56, red, 200, 60);
  disc(44, 50, 7, 60, 30, 20);
  disc(84 - left, 50, 7, 60, 30, 20);
  return image;
}

Image part_of(const Image& image, std::int64_t left, std::int64_t top, std::int64_t side) {
  Image part(side, side, 3);
  for (std::int64_t y = 0; y < side; ++y)
    std::copy_n(image.row(top + y) + 3 * left, 3 * side, part.row(y));
  return part;
}

double difference(const Image& a, const Image& b) {
  const auto prepared = [](const Image& image) {
    return prepare_image(resample(image, kSide, kSide, Filter::kBilinear));
  };
  return aligned_difference(prepared(a), prepared(b));
}

TEST(AlignedDifference, IsZeroForEqualImages) {
  EXPECT_NEAR(difference(face(0), face(0)), 0, 1e-3);
}

TEST(AlignedDifference, CropsOfTwoPercentAreCopies) {
  EXPECT_LT(difference(face(0), part_of(face(0), 0, 3, 125)), 1);
  EXPECT_LT(difference(face(0), part_of(face(0), 3, 1, 125)), 1);
}

TEST(AlignedDifference, SmallDetailsAndColorsAreDifferences) {
  EXPECT_GT(difference(face(0), face(8)), 2);
  EXPECT_GT(difference(face(0), face(0, 220)), 1);
}

}  // namespace
}  // namespace valley
