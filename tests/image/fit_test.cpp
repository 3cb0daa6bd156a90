#include "image/fit.h"

#include <gtest/gtest.h>

#include "core/error.h"

namespace valley {
namespace {

// Gray value 10 y + x.
Image ramp(std::int64_t height, std::int64_t width) {
  Image image(height, width, 1);
  for (std::int64_t y = 0; y < height; ++y) {
    for (std::int64_t x = 0; x < width; ++x)
      image.row(y)[x] = static_cast<std::uint8_t>(10 * y + x);
  }
  return image;
}

Target gray_target(std::int64_t height, std::int64_t width, Transform transform) {
  return {.height = height, .width = width, .channels = 1, .transform = transform};
}

TEST(Fit, BorderCentersWithoutResizing) {
  Target target = gray_target(4, 5, Transform::kBorder);
  target.background = 7;
  const Image image = fit(Image(2, 3, 1, 100), target);
  EXPECT_EQ(image.pixels, (std::vector<std::uint8_t>{7, 7,   7,   7,   7, 7, 100, 100, 100, 7,
                                                     7, 100, 100, 100, 7, 7, 7,   7,   7,   7}));
  EXPECT_FALSE(unfit(4, 5, target));
  EXPECT_EQ(unfit(5, 5, target)->reason, "too large");
}

TEST(Fit, CenterCropTakesTheMiddleSquare) {
  const Image wide = fit(ramp(2, 7), gray_target(2, 2, Transform::kCenterCrop));
  EXPECT_EQ(wide.pixels, (std::vector<std::uint8_t>{2, 3, 12, 13}));
  const Image tall = fit(ramp(8, 2), gray_target(2, 2, Transform::kCenterCrop));
  EXPECT_EQ(tall.pixels, (std::vector<std::uint8_t>{30, 31, 40, 41}));
}

TEST(Fit, CenterCropKeepsTheTargetsAspectRatio) {
  const Image result = fit(ramp(4, 8), gray_target(2, 8, Transform::kCenterCrop));
  EXPECT_EQ(result.pixels, (std::vector<std::uint8_t>{10, 11, 12, 13, 14, 15, 16, 17,  //
                                                      20, 21, 22, 23, 24, 25, 26, 27}));
}

TEST(Fit, PadCentersOnTheBackground) {
  Target target = gray_target(4, 4, Transform::kPad);
  target.background = 200;
  EXPECT_EQ(fit(ramp(2, 4), target).pixels,
            (std::vector<std::uint8_t>{200, 200, 200, 200, 0, 1, 2, 3,  //
                                       10, 11, 12, 13, 200, 200, 200, 200}));
  EXPECT_EQ(fit(ramp(4, 2), target).pixels,
            (std::vector<std::uint8_t>{200, 0, 1, 200, 200, 10, 11, 200,  //
                                       200, 20, 21, 200, 200, 30, 31, 200}));
}

TEST(Fit, NoneStretches) {
  const Target target = {.height = 2,
                         .width = 2,
                         .channels = 1,
                         .transform = Transform::kNone,
                         .filter = Filter::kBox};
  EXPECT_EQ(fit(ramp(2, 4), target).pixels, (std::vector<std::uint8_t>{1, 3, 11, 13}));
}

TEST(Fit, ExtremeShapesGiveTheTargetsShape) {
  for (const Transform transform : {Transform::kNone, Transform::kCenterCrop, Transform::kPad}) {
    for (const auto& [height, width] : {std::pair{1, 1}, {1, 900}, {900, 1}, {3, 2}}) {
      Target target = gray_target(16, 24, transform);
      target.channels = 3;
      const Image result = fit(Image(height, width, 1, 7), target);
      EXPECT_EQ(result.height, 16);
      EXPECT_EQ(result.width, 24);
      EXPECT_EQ(result.pixels.size(), 16U * 24U * 3U);
    }
  }
}

TEST(Fit, GrayIsLumaAndRgbOfGrayRepeatsIt) {
  Image colors(1, 4, 3);
  colors.pixels = {255, 0, 0, 0, 255, 0, 0, 0, 255, 255, 255, 255};
  EXPECT_EQ(with_channels(colors, 1).pixels, (std::vector<std::uint8_t>{76, 150, 29, 255}));
  EXPECT_EQ(with_channels(ramp(1, 2), 3).pixels, (std::vector<std::uint8_t>{0, 0, 0, 1, 1, 1}));
}

TEST(Fit, NamesOfTransforms) {
  EXPECT_EQ(parse_transform("center-crop"), Transform::kCenterCrop);
  EXPECT_EQ(transform_name(Transform::kPad), "pad");
  EXPECT_THROW(static_cast<void>(parse_transform("crop")), Error);
}

}  // namespace
}  // namespace valley
