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

// A PNG file's bytes, and what they show.
struct Png {
  std::string bytes;
  std::int64_t height = 0;
  std::int64_t width = 0;
  std::int64_t channels = 0;
};

// Atomic; same pixels, same bytes. Returns what it wrote.
Png write_png(const std::filesystem::path& path, const ImageView& image);

// Whether readers of PNG take a picture of this size: up to a million pixels a side and 1 GiB.
[[nodiscard]] bool is_picture_size(std::int64_t height, std::int64_t width, std::int64_t channels);

// Whether the picture that write_grid would make is such a one.
[[nodiscard]] bool grid_fits(std::int64_t n, std::int64_t height, std::int64_t width,
                             std::int64_t channels, std::int64_t columns);

// Lays n images [n, H, W, C] out in rows of `columns` on white, 2 pixels apart and 2 pixels from
// the edges: columns * (W + 2) + 2 pixels wide. Writes them as one PNG. Fewer images than cells
// leave the rest white. Returns what it wrote.
Png write_grid(const std::filesystem::path& path, std::span<const std::uint8_t> images,
               std::int64_t n, std::int64_t height, std::int64_t width, std::int64_t channels,
               std::int64_t columns);

}  // namespace valley
