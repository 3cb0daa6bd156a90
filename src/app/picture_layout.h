// Small images with words under them, as cells of a picture.
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
inline constexpr std::int64_t kLeastCell = 66;  // pixels, so that "E -0.1234" fits below

// How often each pixel of a small image is repeated, so that words fit below it.
[[nodiscard]] inline std::int64_t zoom_for(std::int64_t side) {
  return std::max<std::int64_t>(1, (kLeastCell + side - 1) / side);
}

// image: uint8 [H, W, C], contiguous. Words: a line each.
inline void draw_cell(Canvas& canvas, std::int64_t x, std::int64_t y, const at::Tensor& image,
                      const std::vector<std::string>& words) {
  const std::int64_t zoom = zoom_for(image.size(0));
  canvas.blit(x, y,
              {{image.const_data_ptr<std::uint8_t>(), static_cast<std::size_t>(image.numel())},
               image.size(0),
               image.size(1),
               image.size(2)},
              zoom);
  std::int64_t line = y + image.size(0) * zoom + 3;
  for (const std::string& text : words) {
    canvas.text(x, line, cut_to_width(text, image.size(1) * zoom));
    line += kLineHeight;
  }
}

}  // namespace valley::app
