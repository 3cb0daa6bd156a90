// Equality with Pillow is tested in tests/interop/test_shards.py.
#include "image/resample.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "core/error.h"
#include "core/hash.h"

namespace valley {
namespace {

Image noise(std::int64_t height, std::int64_t width, std::int64_t channels) {
  Image image(height, width, channels);
  for (std::size_t i = 0; i < image.pixels.size(); ++i)
    image.pixels[i] = static_cast<std::uint8_t>(mix64(i));
  return image;
}

Image gray(std::int64_t height, std::int64_t width, std::vector<std::uint8_t> pixels) {
  Image image(height, width, 1);
  image.pixels = std::move(pixels);
  return image;
}

constexpr Filter kAll[] = {Filter::kLanczos, Filter::kBicubic, Filter::kBilinear, Filter::kBox};

TEST(Resample, HalvingWithABoxIsTheRoundedMean) {
  const Image image = gray(2, 4, {0, 10, 20, 31, 4, 6, 100, 101});
  // Rows first, rounded to 8 bits (halves up), then columns.
  EXPECT_EQ(resample(image, 2, 2, Filter::kBox).pixels, (std::vector<std::uint8_t>{5, 26, 5, 101}));
  EXPECT_EQ(resample(image, 1, 2, Filter::kBox).pixels, (std::vector<std::uint8_t>{5, 64}));
}

TEST(Resample, DoublingWithALinearFilterInterpolates) {
  EXPECT_EQ(resample(gray(1, 2, {0, 100}), 1, 4, Filter::kBilinear).pixels,
            (std::vector<std::uint8_t>{0, 25, 75, 100}));
}

TEST(Resample, BicubicDoublingHasKeysWeights) {
  // In the middle: -0.0703125, 0.8671875, 0.2265625, -0.0234375 (a = -0.5, distance 1/4).
  const Image image = gray(1, 4, {10, 50, 200, 90});
  const double expected = -0.0703125 * 10 + 0.8671875 * 50 + 0.2265625 * 200 - 0.0234375 * 90;
  EXPECT_EQ(resample(image, 1, 8, Filter::kBicubic).pixels[3], std::lround(expected));
}

TEST(Resample, OvershootIsClipped) {
  const Image image = gray(1, 6, {0, 0, 0, 255, 255, 255});
  const Image larger = resample(image, 1, 24, Filter::kLanczos);
  EXPECT_EQ(*std::min_element(larger.pixels.begin(), larger.pixels.end()), 0);
  EXPECT_EQ(*std::max_element(larger.pixels.begin(), larger.pixels.end()), 255);
}

TEST(Resample, TheSameSizeIsTheSameImage) {
  const Image image = noise(13, 17, 3);
  for (const Filter filter : kAll) EXPECT_EQ(resample(image, 13, 17, filter).pixels, image.pixels);
}

TEST(Resample, ConstantImageIsUnchangedForAnySize) {
  for (const Filter filter : kAll) {
    for (const std::int64_t side : {1, 7, 16, 33, 100}) {
      const Image result = resample(Image(33, 20, 3, 201), side, side + 1, filter);
      for (const std::uint8_t value : result.pixels) ASSERT_EQ(value, 201);
    }
  }
}

// Vector registers, tails and transposed blocks must agree: a single channel uses other code paths
// than the same channel among three, and so does a crop of rows.
TEST(Resample, ChannelsAndRowsDoNotInfluenceEachOther) {
  for (const Filter filter : kAll) {
    for (const std::int64_t width : {1, 5, 16, 31, 64, 101}) {
      const Image image = noise(37, width, 3);
      const Image result = resample(image, 37, 2 * width + 3, filter);
      for (std::int64_t c = 0; c < 3; ++c) {
        for (const std::int64_t y : {0, 15, 16, 36}) {
          Image line(1, width, 1);
          for (std::int64_t x = 0; x < width; ++x)
            line.pixels[static_cast<std::size_t>(x)] = image.row(y)[x * 3 + c];
          const Image alone = resample(line, 1, 2 * width + 3, filter);
          for (std::int64_t x = 0; x < result.width; ++x)
            ASSERT_EQ(result.row(y)[x * 3 + c], alone.row(0)[x]) << y << ", " << x;
        }
      }
    }
  }
}

TEST(Resample, TransposingTheImageTransposesAResultOfOnePass) {
  const Image image = noise(19, 45, 1);
  Image transposed(45, 19, 1);
  for (std::int64_t y = 0; y < 19; ++y) {
    for (std::int64_t x = 0; x < 45; ++x) transposed.row(x)[y] = image.row(y)[x];
  }
  for (const Filter filter : kAll) {
    const Image wide = resample(image, 19, 20, filter);
    const Image tall = resample(transposed, 20, 19, filter);
    for (std::int64_t y = 0; y < 19; ++y) {
      for (std::int64_t x = 0; x < 20; ++x) ASSERT_EQ(wide.row(y)[x], tall.row(x)[y]);
    }
  }
}

TEST(Resample, NamesOfFilters) {
  for (const Filter filter : kAll)
    EXPECT_EQ(parse_filter(std::string(filter_name(filter))), filter);
  try {
    static_cast<void>(parse_filter("nearest"));
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::kUsage);
    EXPECT_NE(std::string(error.what()).find("lanczos, bicubic, bilinear, box"), std::string::npos);
  }
}

}  // namespace
}  // namespace valley
