// Small images with lines of text below them, as cells of a larger image.
#pragma once

#include <ATen/core/Tensor.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "record/canvas.h"

namespace valley::app {

inline constexpr std::int64_t kCellGap = 6;
inline constexpr std::int64_t kLineHeight = 10;
inline constexpr std::int64_t kMinCell = 66;  // pixels: the width of "E -0.1234"

// Integer factor that enlarges a small image to at least kMinCell pixels.
[[nodiscard]] inline std::int64_t compute_zoom(std::int64_t side) {
  return std::max<std::int64_t>(1, (kMinCell + side - 1) / side);
}

// image: uint8 [H, W, C], contiguous.
inline void draw_cell(Canvas& canvas, std::int64_t x, std::int64_t y, const at::Tensor& image,
                      const std::vector<std::string>& lines) {
  const std::int64_t zoom = compute_zoom(image.size(0));
  canvas.blit(x, y,
              {{image.const_data_ptr<std::uint8_t>(), static_cast<std::size_t>(image.numel())},
               image.size(0),
               image.size(1),
               image.size(2)},
              zoom);
  std::int64_t line_y = y + image.size(0) * zoom + 3;
  for (const std::string& text : lines) {
    canvas.text(x, line_y, cut_to_width(text, image.size(1) * zoom));
    line_y += kLineHeight;
  }
}

}  // namespace valley::app
