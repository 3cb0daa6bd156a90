#include "record/palette.h"

#include <algorithm>
#include <cstddef>
#include <limits>
#include <span>

#include "core/error.h"

namespace valley {
namespace {

constexpr std::size_t kMaxColors = 256;

struct CountedColor {
  PaletteColor color{};
  std::int64_t pixels = 0;
};

PaletteColor color_at(const ImageView& image, std::size_t pixel) {
  if (image.channels == 1) {
    const std::uint8_t level = image.pixels[pixel];
    return {level, level, level};
  }
  return {image.pixels[3 * pixel], image.pixels[3 * pixel + 1], image.pixels[3 * pixel + 2]};
}

// The colors of an image in ascending order.
std::vector<CountedColor> count_colors(const ImageView& image) {
  const auto n = static_cast<std::size_t>(image.height * image.width);
  std::vector<PaletteColor> all(n);
  for (std::size_t i = 0; i < n; ++i) all[i] = color_at(image, i);
  std::sort(all.begin(), all.end());
  std::vector<CountedColor> colors;
  for (const PaletteColor& color : all) {
    if (colors.empty() || colors.back().color != color) colors.push_back({color, 0});
    ++colors.back().pixels;
  }
  return colors;
}

// Colors that one palette entry replaces.
struct ColorBox {
  std::span<CountedColor> colors;
  std::size_t axis = 0;      // with the largest squared error
  double squared_error = 0;  // of that axis
};

ColorBox make_box(std::span<CountedColor> colors) {
  ColorBox box{colors};
  for (std::size_t c = 0; c < 3; ++c) {
    double n = 0;
    double sum = 0;
    double squares = 0;
    for (const CountedColor& counted : colors) {
      const auto pixels = static_cast<double>(counted.pixels);
      const double value = counted.color[c];
      n += pixels;
      sum += pixels * value;
      squares += pixels * value * value;
    }
    const double error = squares - sum * sum / n;
    if (colors.size() > 1 && error > box.squared_error) {
      box.squared_error = error;
      box.axis = c;
    }
  }
  return box;
}

// The lower half of the pixels along the axis; both parts hold at least one color.
std::size_t split_position(const ColorBox& box) {
  std::int64_t all = 0;
  for (const CountedColor& counted : box.colors) all += counted.pixels;
  std::int64_t before = 0;
  for (std::size_t i = 0; i + 1 < box.colors.size(); ++i) {
    before += box.colors[i].pixels;
    if (2 * before >= all) return i + 1;
  }
  return box.colors.size() - 1;
}

PaletteColor mean_color(std::span<const CountedColor> colors) {
  std::array<std::int64_t, 3> sum{};
  std::int64_t pixels = 0;
  for (const CountedColor& counted : colors) {
    pixels += counted.pixels;
    for (std::size_t c = 0; c < 3; ++c) sum[c] += counted.pixels * counted.color[c];
  }
  PaletteColor mean{};
  for (std::size_t c = 0; c < 3; ++c)
    mean[c] = static_cast<std::uint8_t>((sum[c] + pixels / 2) / pixels);
  return mean;
}

std::vector<PaletteColor> cut(std::vector<CountedColor> colors) {
  std::vector<ColorBox> boxes{make_box(colors)};
  while (boxes.size() < kMaxColors) {
    const auto worst = std::ranges::max_element(boxes, {}, &ColorBox::squared_error);
    if (worst->squared_error <= 0) break;
    const ColorBox box = *worst;
    const std::size_t axis = box.axis;
    std::ranges::sort(box.colors, [axis](const CountedColor& a, const CountedColor& b) {
      return a.color[axis] != b.color[axis] ? a.color[axis] < b.color[axis] : a.color < b.color;
    });
    const std::size_t at = split_position(box);
    *worst = make_box(box.colors.first(at));
    boxes.push_back(make_box(box.colors.subspan(at)));
  }
  std::vector<PaletteColor> palette;
  for (const ColorBox& box : boxes) palette.push_back(mean_color(box.colors));
  return palette;
}

int squared_distance(const PaletteColor& a, const PaletteColor& b) {
  int sum = 0;
  for (std::size_t c = 0; c < 3; ++c) sum += (a[c] - b[c]) * (a[c] - b[c]);
  return sum;
}

std::uint8_t nearest(const std::vector<PaletteColor>& palette, const PaletteColor& color) {
  std::size_t best = 0;
  int distance = std::numeric_limits<int>::max();
  for (std::size_t i = 0; i < palette.size(); ++i) {
    const int d = squared_distance(palette[i], color);
    if (d < distance) {
      distance = d;
      best = i;
    }
  }
  return static_cast<std::uint8_t>(best);
}

// Moves each entry to the mean of the colors that it is nearest to.
void refine(std::vector<PaletteColor>& palette, const std::vector<CountedColor>& colors) {
  std::vector<std::vector<CountedColor>> members(palette.size());
  for (const CountedColor& counted : colors)
    members[nearest(palette, counted.color)].push_back(counted);
  for (std::size_t i = 0; i < palette.size(); ++i)
    if (!members[i].empty()) palette[i] = mean_color(members[i]);
}

}  // namespace

PalettedImage reduce_colors(const ImageView& image) {
  VALLEY_CHECK(image.channels == 1 || image.channels == 3);
  const std::vector<CountedColor> colors = count_colors(image);
  PalettedImage reduced;
  if (colors.size() <= kMaxColors) {
    for (const CountedColor& counted : colors) reduced.palette.push_back(counted.color);
  } else {
    reduced.palette = cut(colors);
    for (int i = 0; i < kRefinements; ++i) refine(reduced.palette, colors);
  }
  std::vector<std::uint8_t> entries;  // of each color
  entries.reserve(colors.size());
  for (const CountedColor& counted : colors)
    entries.push_back(nearest(reduced.palette, counted.color));
  const auto n = static_cast<std::size_t>(image.height * image.width);
  reduced.indices.resize(n);
  for (std::size_t i = 0; i < n; ++i) {
    const auto found =
        std::ranges::lower_bound(colors, color_at(image, i), {}, &CountedColor::color);
    reduced.indices[i] = entries[static_cast<std::size_t>(found - colors.begin())];
  }
  return reduced;
}

}  // namespace valley
