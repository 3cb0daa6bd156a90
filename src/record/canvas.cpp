#include "record/canvas.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdlib>

#include "core/error.h"
#include "record/bitmap_font.h"

namespace valley {
namespace {

constexpr std::int64_t kChannels = 3;
constexpr std::int64_t kAdvance = kGlyphWidth + 1;

std::uint8_t blend(std::uint8_t below, std::uint8_t above, double opacity) {
  return static_cast<std::uint8_t>(std::lround(below + (above - below) * opacity));
}

}  // namespace

Canvas::Canvas(std::int64_t width, std::int64_t height, Color background)
    : width_(width), height_(height) {
  VALLEY_CHECK(width > 0 && height > 0);
  if (!is_picture_size(height, width, kChannels))
    throw Error(ExitCode::kConfig, "an image of {} x {} pixels is too large; show fewer images",
                width, height);
  pixels_.resize(static_cast<std::size_t>(width * height * kChannels));
  fill_rect(0, 0, width, height, background);
}

Color Canvas::at(std::int64_t x, std::int64_t y) const {
  VALLEY_CHECK(x >= 0 && x < width_ && y >= 0 && y < height_);
  const std::uint8_t* pixel = pixels_.data() + (y * width_ + x) * kChannels;
  return {pixel[0], pixel[1], pixel[2]};
}

void Canvas::dot(std::int64_t x, std::int64_t y, Color color) { fill_rect(x, y, 1, 1, color); }

void Canvas::fill_rect(std::int64_t x, std::int64_t y, std::int64_t width, std::int64_t height,
                       Color color, double opacity) {
  const std::int64_t right = std::min(x + width, width_);
  const std::int64_t bottom = std::min(y + height, height_);
  for (std::int64_t row = std::max<std::int64_t>(y, 0); row < bottom; ++row) {
    for (std::int64_t column = std::max<std::int64_t>(x, 0); column < right; ++column) {
      std::uint8_t* pixel = pixels_.data() + (row * width_ + column) * kChannels;
      pixel[0] = blend(pixel[0], color.red, opacity);
      pixel[1] = blend(pixel[1], color.green, opacity);
      pixel[2] = blend(pixel[2], color.blue, opacity);
    }
  }
}

void Canvas::line(std::int64_t x0, std::int64_t y0, std::int64_t x1, std::int64_t y1, Color color) {
  // One dot per pixel of the longer side; the other coordinate is rounded to the straight line.
  const std::int64_t steps = std::max(std::abs(x1 - x0), std::abs(y1 - y0));
  const auto between = [steps](std::int64_t from, std::int64_t to, std::int64_t step) {
    if (steps == 0) return from;
    const double share = static_cast<double>(step) / static_cast<double>(steps);
    return from + static_cast<std::int64_t>(std::llround(static_cast<double>(to - from) * share));
  };
  for (std::int64_t step = 0; step <= steps; ++step)
    dot(between(x0, x1, step), between(y0, y1, step), color);
}

void Canvas::blit(std::int64_t x, std::int64_t y, const ImageView& image, std::int64_t zoom) {
  VALLEY_CHECK(zoom > 0 && (image.channels == 1 || image.channels == kChannels));
  VALLEY_CHECK(image.pixels.size() ==
               static_cast<std::size_t>(image.height * image.width * image.channels));
  const std::uint8_t* pixel = image.pixels.data();
  for (std::int64_t row = 0; row < image.height; ++row) {
    for (std::int64_t column = 0; column < image.width; ++column, pixel += image.channels) {
      const Color color = image.channels == 1 ? Color{pixel[0], pixel[0], pixel[0]}
                                              : Color{pixel[0], pixel[1], pixel[2]};
      fill_rect(x + column * zoom, y + row * zoom, zoom, zoom, color);
    }
  }
}

void Canvas::text(std::int64_t x, std::int64_t y, std::string_view text, Color color,
                  std::int64_t scale) {
  VALLEY_CHECK(scale > 0);
  for (const char character : text) {
    for (std::int64_t row = 0; row < kGlyphHeight; ++row) {
      for (std::int64_t column = 0; column < kGlyphWidth; ++column) {
        if (glyph_dot(character, column, row))
          fill_rect(x + column * scale, y + row * scale, scale, scale, color);
      }
    }
    x += kAdvance * scale;
  }
}

Png Canvas::save(const std::filesystem::path& path) const {
  return write_png(path, {pixels_, height_, width_, kChannels});
}

std::int64_t text_width(std::string_view text, std::int64_t scale) {
  const auto letters = static_cast<std::int64_t>(text.size());
  return letters == 0 ? 0 : (letters * kAdvance - 1) * scale;
}

std::int64_t text_height(std::int64_t scale) { return kGlyphHeight * scale; }

std::string cut_to_width(std::string_view text, std::int64_t width, std::int64_t scale) {
  constexpr std::string_view kDots = "...";
  if (text_width(text, scale) <= width) return std::string(text);
  std::string cut(text);
  while (!cut.empty() && text_width(cut + std::string(kDots), scale) > width) cut.pop_back();
  return cut + std::string(kDots);
}

}  // namespace valley
