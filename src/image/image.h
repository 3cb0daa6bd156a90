// A decoded image: 8 bits per channel, row-major, interleaved.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace valley {

struct Image {
  std::int64_t height = 0;
  std::int64_t width = 0;
  std::int64_t channels = 0;         // 1 (gray) or 3 (RGB)
  std::vector<std::uint8_t> pixels;  // [H, W, C]

  Image() = default;
  Image(std::int64_t h, std::int64_t w, std::int64_t c, std::uint8_t value = 0)
      : height(h), width(w), channels(c), pixels(static_cast<std::size_t>(h * w * c), value) {}
  [[nodiscard]] std::size_t row_bytes() const { return static_cast<std::size_t>(width * channels); }
  [[nodiscard]] std::uint8_t* row(std::int64_t y) {
    return pixels.data() + static_cast<std::size_t>(y) * row_bytes();
  }
  [[nodiscard]] const std::uint8_t* row(std::int64_t y) const {
    return pixels.data() + static_cast<std::size_t>(y) * row_bytes();
  }
};

}  // namespace valley
