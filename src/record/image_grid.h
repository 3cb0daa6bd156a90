// PNG files and grids of samples.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>

namespace valley {

// 8-bit pixels, height x width x channels, row-major; channels 1 (gray) or 3 (RGB).
struct ImageView {
  std::span<const std::uint8_t> pixels;
  std::int64_t height = 0;
  std::int64_t width = 0;
  std::int64_t channels = 0;
};

// Bytes of a PNG file and the size of its image.
struct Png {
  std::string bytes;
  std::int64_t height = 0;
  std::int64_t width = 0;
  std::int64_t channels = 0;
};

// The bytes of a PNG file; same pixels, same bytes. Any thread may call. Error kConfig for an image
// that is too large for PNG readers.
[[nodiscard]] std::string encode_png(const ImageView& image);

// Writes the same bytes atomically. Returns the file.
Png write_png(const std::filesystem::path& path, const ImageView& image);

// True if PNG readers accept an image of this size: up to a million pixels per side and 1 GiB.
[[nodiscard]] bool is_picture_size(std::int64_t height, std::int64_t width, std::int64_t channels);

// The same for the image that write_grid would write.
[[nodiscard]] bool grid_fits(std::int64_t n, std::int64_t height, std::int64_t width,
                             std::int64_t channels, std::int64_t columns);

// Writes n images [n, H, W, C] as one PNG, in rows of `columns` on white, with gaps and margins of
// 2 pixels: columns * (W + 2) + 2 pixels wide. Unused cells are white. Returns the file.
Png write_grid(const std::filesystem::path& path, std::span<const std::uint8_t> images,
               std::int64_t n, std::int64_t height, std::int64_t width, std::int64_t channels,
               std::int64_t columns);

}  // namespace valley
