// Reduction of an image to at most 256 colors.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "record/image_grid.h"

namespace valley {

using PaletteColor = std::array<std::uint8_t, 3>;

struct PalettedImage {
  std::vector<PaletteColor> palette;  // 1 to 256 colors
  std::vector<std::uint8_t> indices;  // [H W]
};

// Exact for gray images and for images of up to 256 colors. Otherwise median cut (Heckbert 1982,
// Color Image Quantization for Frame Buffer Display) by the largest squared error, then
// kRefinements rounds of Lloyd's algorithm; no dithering, which would flicker between frames.
inline constexpr int kRefinements = 4;
[[nodiscard]] PalettedImage reduce_colors(const ImageView& image);

}  // namespace valley
