#include "record/image_grid.h"

#include <gtest/gtest.h>
#include <png.h>

#include <string>
#include <vector>

#include "core/error.h"
#include "core/read_file.h"
#include "support/temporary_folder.h"

namespace valley {
namespace {

namespace fs = std::filesystem;

struct Picture {
  std::vector<std::uint8_t> pixels;
  std::int64_t height = 0;
  std::int64_t width = 0;
  std::int64_t channels = 0;

  [[nodiscard]] ImageView view() const { return {pixels, height, width, channels}; }
  [[nodiscard]] int at(std::int64_t y, std::int64_t x, std::int64_t c = 0) const {
    return pixels.at(static_cast<std::size_t>((y * width + x) * channels + c));
  }
};

Picture read_png(const fs::path& path) {
  ::png_image png{};
  png.version = PNG_IMAGE_VERSION;
  EXPECT_NE(::png_image_begin_read_from_file(&png, path.c_str()), 0) << png.message;
  EXPECT_EQ(png.format & PNG_FORMAT_FLAG_ALPHA, 0U);
  Picture picture;
  picture.height = png.height;
  picture.width = png.width;
  picture.channels = (png.format & PNG_FORMAT_FLAG_COLOR) != 0 ? 3 : 1;
  png.format = picture.channels == 3 ? PNG_FORMAT_RGB : PNG_FORMAT_GRAY;
  picture.pixels.resize(PNG_IMAGE_SIZE(png));
  EXPECT_NE(::png_image_finish_read(&png, nullptr, picture.pixels.data(), 0, nullptr), 0)
      << png.message;
  return picture;
}

Picture noise(std::int64_t height, std::int64_t width, std::int64_t channels) {
  Picture picture{{}, height, width, channels};
  std::uint32_t state = 1;
  for (std::int64_t i = 0; i < height * width * channels; ++i) {
    state = state * 1664525U + 1013904223U;
    picture.pixels.push_back(static_cast<std::uint8_t>(state >> 24U));
  }
  return picture;
}

TEST(WritePng, RoundTripPreservesPixels) {
  const TemporaryFolder folder;
  for (const std::int64_t channels : {1, 3}) {
    for (const auto& [height, width] : {std::pair{1, 1}, {5, 3}, {64, 1}, {1, 300}, {33, 47}}) {
      const Picture picture = noise(height, width, channels);
      write_png(folder / "a.png", picture.view());
      const Picture read = read_png(folder / "a.png");
      EXPECT_EQ(read.height, height);
      EXPECT_EQ(read.width, width);
      EXPECT_EQ(read.channels, channels);
      EXPECT_EQ(read.pixels, picture.pixels);
    }
  }
}

TEST(WritePng, SamePixelsSameBytesWithoutTime) {
  const TemporaryFolder folder;
  const Picture picture = noise(40, 40, 3);
  write_png(folder / "a.png", picture.view());
  write_png(folder / "b.png", picture.view());
  const std::string bytes = read_file(folder / "a.png");
  EXPECT_EQ(bytes, read_file(folder / "b.png"));
  for (const char* chunk : {"tIME", "tEXt", "iTXt", "zTXt"})
    EXPECT_EQ(bytes.find(chunk), std::string::npos) << chunk;
}

TEST(WritePng, WriteErrorNamesTheFileAndLeavesNothing) {
  const TemporaryFolder folder;
  const Picture picture = noise(2, 2, 3);
  try {
    write_png(folder / "absent/a.png", picture.view());
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::kCannotWrite);
    EXPECT_NE(std::string(error.what()).find("absent/a.png"), std::string::npos);
  }
  EXPECT_THROW(write_png(folder / "a.png", {picture.pixels, 2, 3, 3}), std::logic_error);
  EXPECT_THROW(write_png(folder / "a.png", {picture.pixels, 2, 3, 2}), std::logic_error);
  EXPECT_THROW(write_png(folder / "a.png", {{}, 0, 3, 3}), std::logic_error);
  EXPECT_TRUE(fs::is_empty(folder.path()));
}

// n images of one value each: 10, 20, ...
std::vector<std::uint8_t> plain_images(std::int64_t n, std::int64_t bytes_each) {
  std::vector<std::uint8_t> images;
  for (std::int64_t i = 0; i < n; ++i)
    images.insert(images.end(), static_cast<std::size_t>(bytes_each),
                  static_cast<std::uint8_t>(10 * (i + 1)));
  return images;
}

TEST(WriteGrid, EachPixelIsWhereTheHeaderSays) {
  const TemporaryFolder folder;
  constexpr std::int64_t kHeight = 3;
  constexpr std::int64_t kWidth = 4;
  write_grid(folder / "grid.png", plain_images(5, kHeight * kWidth), 5, kHeight, kWidth, 1, 3);
  const Picture grid = read_png(folder / "grid.png");
  ASSERT_EQ(grid.width, 3 * (kWidth + 2) + 2);
  ASSERT_EQ(grid.height, 2 * (kHeight + 2) + 2);
  for (std::int64_t y = 0; y < grid.height; ++y) {
    for (std::int64_t x = 0; x < grid.width; ++x) {
      const std::int64_t row = (y - 2) / (kHeight + 2);
      const std::int64_t column = (x - 2) / (kWidth + 2);
      const bool is_inside = y >= 2 && x >= 2 && (y - 2) % (kHeight + 2) < kHeight &&
                             (x - 2) % (kWidth + 2) < kWidth && row * 3 + column < 5;
      EXPECT_EQ(grid.at(y, x), is_inside ? 10 * (row * 3 + column + 1) : 255) << y << " " << x;
    }
  }
}

TEST(WriteGrid, KeepsTheOrderOfChannelsAndRows) {
  const TemporaryFolder folder;
  const Picture image = noise(6, 5, 3);
  write_grid(folder / "grid.png", image.pixels, 1, 6, 5, 3, 2);
  const Picture grid = read_png(folder / "grid.png");
  ASSERT_EQ(grid.width, 2 * 7 + 2);
  ASSERT_EQ(grid.height, 8 + 2);
  for (std::int64_t y = 0; y < 6; ++y)
    for (std::int64_t x = 0; x < 5; ++x)
      for (std::int64_t c = 0; c < 3; ++c) EXPECT_EQ(grid.at(y + 2, x + 2, c), image.at(y, x, c));
  for (std::int64_t y = 0; y < grid.height; ++y) EXPECT_EQ(grid.at(y, 12, 1), 255);
}

TEST(WriteGrid, RejectsSizesThatDoNotFit) {
  const TemporaryFolder folder;
  const std::vector<std::uint8_t> images(12);
  EXPECT_THROW(write_grid(folder / "a.png", images, 2, 3, 3, 1, 2), std::logic_error);
  EXPECT_THROW(write_grid(folder / "a.png", images, 0, 3, 4, 1, 2), std::logic_error);
  EXPECT_THROW(write_grid(folder / "a.png", images, 1, 3, 4, 1, 0), std::logic_error);
  try {
    write_grid(folder / "a.png", images, 1, 3, 4, 1, 300'000);
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::kConfig);
    EXPECT_NE(std::string(error.what()).find("1800002 x 7"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace valley
