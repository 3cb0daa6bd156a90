// Draws rectangles, lines, images and text, for charts without a toolkit.
//
// Coordinates start at the top left corner. Drawing is clipped. Same calls, same bytes.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "record/image_grid.h"

namespace valley {

struct Color {
  std::uint8_t red = 0;
  std::uint8_t green = 0;
  std::uint8_t blue = 0;
  friend bool operator==(const Color&, const Color&) = default;
};

inline constexpr Color kBlack{0, 0, 0};
inline constexpr Color kWhite{255, 255, 255};
inline constexpr Color kGray{128, 128, 128};
// Distinguishable for red-green color blindness and in print.
inline constexpr Color kBlue{31, 119, 180};
inline constexpr Color kOrange{255, 127, 14};

class Canvas {
 public:
  // Error kConfig for more pixels than a PNG has (record/image_grid.h).
  Canvas(std::int64_t width, std::int64_t height, Color background = kWhite);

  [[nodiscard]] std::int64_t width() const { return width_; }
  [[nodiscard]] std::int64_t height() const { return height_; }
  [[nodiscard]] Color at(std::int64_t x, std::int64_t y) const;  // color of a pixel inside

  // `opacity`: 0 is transparent, 1 is opaque.
  void fill_rect(std::int64_t x, std::int64_t y, std::int64_t width, std::int64_t height,
                 Color color, double opacity = 1);
  // One pixel wide, both ends drawn.
  void line(std::int64_t x0, std::int64_t y0, std::int64_t x1, std::int64_t y1, Color color);
  // An image with its top left corner at (x, y), each pixel `zoom` wide and high.
  void blit(std::int64_t x, std::int64_t y, const ImageView& image, std::int64_t zoom = 1);
  // One line of ASCII with its top left corner at (x, y), each dot `scale` wide and high; other
  // bytes are boxes.
  void text(std::int64_t x, std::int64_t y, std::string_view text, Color color = kBlack,
            std::int64_t scale = 1);

  Png save(const std::filesystem::path& path) const;  // by write_png

 private:
  void dot(std::int64_t x, std::int64_t y, Color color);

  std::int64_t width_;
  std::int64_t height_;
  std::vector<std::uint8_t> pixels_;  // [H, W, 3]
};

// Width of a line of text in pixels, without the space after its last letter.
[[nodiscard]] std::int64_t text_width(std::string_view text, std::int64_t scale = 1);
[[nodiscard]] std::int64_t text_height(std::int64_t scale = 1);

// Truncates `text` to `width` pixels, with "..." at the end.
[[nodiscard]] std::string cut_to_width(std::string_view text, std::int64_t width,
                                       std::int64_t scale = 1);

}  // namespace valley
