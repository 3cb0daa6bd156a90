#include "record/image_grid.h"

#include <png.h>

#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

#include "core/atomic_file.h"
#include "core/error.h"

namespace valley {
namespace {

constexpr std::int64_t kTileGap = 2;
constexpr std::uint8_t kWhiteByte = 255;
constexpr std::int64_t kMaxSide = 1'000'000;               // libpng's limit for readers
constexpr std::int64_t kMaxBytes = std::int64_t{1} << 30;  // libpng has 32-bit sizes

// Side of a grid of `cells` images of `pixels` each.
std::int64_t grid_side(std::int64_t cells, std::int64_t pixels) {
  return cells * (pixels + kTileGap) + kTileGap;
}

std::size_t bytes_of(std::int64_t height, std::int64_t width, std::int64_t channels) {
  VALLEY_CHECK(height > 0 && width > 0 && (channels == 1 || channels == 3));
  if (!is_picture_size(height, width, channels))
    throw Error(ExitCode::kConfig, "an image of {} x {} pixels is too large; use fewer images",
                width, height);
  return static_cast<std::size_t>(height * width * channels);
}

}  // namespace

bool is_picture_size(std::int64_t height, std::int64_t width, std::int64_t channels) {
  return height <= kMaxSide && width <= kMaxSide && height * width * channels <= kMaxBytes;
}

std::string encode_png(const ImageView& image) {
  VALLEY_CHECK(image.pixels.size() == bytes_of(image.height, image.width, image.channels));
  // libpng's simplified interface: no longjmp past C++ objects, no chunk with the time.
  ::png_image png{};
  png.version = PNG_IMAGE_VERSION;
  png.width = static_cast<::png_uint_32>(image.width);
  png.height = static_cast<::png_uint_32>(image.height);
  png.format = image.channels == 1 ? PNG_FORMAT_GRAY : PNG_FORMAT_RGB;

  ::png_alloc_size_t bytes = PNG_IMAGE_PNG_SIZE_MAX(png);
  std::string file(bytes, '\0');
  if (::png_image_write_to_memory(&png, file.data(), &bytes, 0, image.pixels.data(), 0, nullptr) ==
      0)
    throw Error(ExitCode::kInternal, "libpng: {}", png.message);
  file.resize(bytes);
  return file;
}

Png write_png(const std::filesystem::path& path, const ImageView& image) {
  std::string file = encode_png(image);
  write_file(path, file);
  return {std::move(file), image.height, image.width, image.channels};
}

bool grid_fits(std::int64_t n, std::int64_t height, std::int64_t width, std::int64_t channels,
               std::int64_t columns) {
  const std::int64_t rows = (n + columns - 1) / columns;
  return is_picture_size(grid_side(rows, height), grid_side(columns, width), channels);
}

Png write_grid(const std::filesystem::path& path, std::span<const std::uint8_t> images,
               std::int64_t n, std::int64_t height, std::int64_t width, std::int64_t channels,
               std::int64_t columns) {
  VALLEY_CHECK(n > 0 && columns > 0);
  const std::size_t image_bytes = bytes_of(height, width, channels);
  VALLEY_CHECK(images.size() == static_cast<std::size_t>(n) * image_bytes);

  const std::int64_t rows = (n + columns - 1) / columns;
  const std::int64_t grid_height = grid_side(rows, height);
  const std::int64_t grid_width = grid_side(columns, width);
  std::vector<std::uint8_t> grid(bytes_of(grid_height, grid_width, channels), kWhiteByte);

  const std::int64_t line_bytes = width * channels;
  for (std::int64_t i = 0; i < n; ++i) {
    const std::int64_t top = i / columns * (height + kTileGap) + kTileGap;
    const std::int64_t left = i % columns * (width + kTileGap) + kTileGap;
    for (std::int64_t y = 0; y < height; ++y)
      std::copy_n(images.begin() + (i * height + y) * line_bytes, line_bytes,
                  grid.begin() + ((top + y) * grid_width + left) * channels);
  }
  return write_png(path, {grid, grid_height, grid_width, channels});
}

}  // namespace valley
