#include "image/fit.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <utility>

#include "core/error.h"

namespace valley {
namespace {

constexpr std::array<std::string_view, 6> kTransforms{
    "none", "center-crop", "pad", "border", "center-crop-wide", "center-crop-dhariwal"};

std::int64_t scaled(std::int64_t length, std::int64_t numerator, std::int64_t denominator) {
  return std::max<std::int64_t>(1, (length * numerator + denominator / 2) / denominator);
}

// In place: rows only move towards the beginning.
Image cropped(Image image, std::int64_t top, std::int64_t left, std::int64_t height,
              std::int64_t width) {
  if (height == image.height && width == image.width) return image;
  const auto row_bytes = static_cast<std::size_t>(width * image.channels);
  std::uint8_t* to = image.pixels.data();
  for (std::int64_t y = 0; y < height; ++y, to += row_bytes)
    std::memmove(to, image.row(top + y) + left * image.channels, row_bytes);
  image.height = height;
  image.width = width;
  image.pixels.resize(static_cast<std::size_t>(height) * row_bytes);
  return image;
}

Image center_crop(Image image, const Target& target) {
  const std::int64_t width =
      std::min(image.width, scaled(image.height, target.width, target.height));
  const std::int64_t height =
      std::min(image.height, scaled(image.width, target.height, target.width));
  const std::int64_t top = (image.height - height) / 2;
  const std::int64_t left = (image.width - width) / 2;
  return cropped(std::move(image), top, left, height, width);
}

// Rounds halves to even, as in Python.
std::int64_t rounded(double value) { return static_cast<std::int64_t>(std::nearbyint(value)); }

std::int64_t wide_rows(std::int64_t height, std::int64_t width, const Target& target) {
  return rounded(static_cast<double>(target.width * height) / static_cast<double>(width));
}

Image center_crop_wide(Image image, const Target& target) {
  const std::int64_t rows = wide_rows(image.height, image.width, target);
  const std::int64_t top = (image.height - rows) / 2;
  const std::int64_t end = (image.height + rows) / 2;
  const std::int64_t width = image.width;
  const Image inside = resample(cropped(std::move(image), top, 0, end - top, width),
                                target.content_height, target.width, target.filter);
  Image whole(target.height, target.width, inside.channels);
  std::copy(inside.pixels.begin(), inside.pixels.end(),
            whole.row((target.height - inside.height) / 2));
  return whole;
}

Image center_crop_dhariwal(Image image, const Target& target) {
  const std::int64_t side = target.height;
  while (std::min(image.height, image.width) >= 2 * side)
    image = resample(image, image.height / 2, image.width / 2, Filter::kBox);
  const double scale =
      static_cast<double>(side) / static_cast<double>(std::min(image.height, image.width));
  image = resample(image, rounded(static_cast<double>(image.height) * scale),
                   rounded(static_cast<double>(image.width) * scale), Filter::kBicubic);
  const std::int64_t top = (image.height - side) / 2;
  const std::int64_t left = (image.width - side) / 2;
  return cropped(std::move(image), top, left, side, side);
}

Image centered(const Image& inside, const Target& target) {
  Image whole(target.height, target.width, inside.channels, target.background);
  const std::int64_t top = (target.height - inside.height) / 2;
  const std::int64_t left = (target.width - inside.width) / 2;
  for (std::int64_t y = 0; y < inside.height; ++y)
    std::copy_n(inside.row(y), inside.row_bytes(), whole.row(top + y) + left * inside.channels);
  return whole;
}

Image pad(const Image& image, const Target& target) {
  const bool is_wide = image.width * target.height >= target.width * image.height;
  const std::int64_t width =
      is_wide ? target.width : scaled(image.width, target.height, image.height);
  const std::int64_t height =
      is_wide ? scaled(image.height, target.width, image.width) : target.height;
  return centered(resample(image, std::min(height, target.height), std::min(width, target.width),
                           target.filter),
                  target);
}

}  // namespace

std::string_view transform_name(Transform transform) {
  return kTransforms[static_cast<std::size_t>(transform)];
}

const std::vector<std::string>& transform_names() {
  static const std::vector<std::string> names(kTransforms.begin(), kTransforms.end());
  return names;
}

Transform parse_transform(const std::string& name) {
  const auto found = std::find(kTransforms.begin(), kTransforms.end(), name);
  if (found != kTransforms.end()) return static_cast<Transform>(found - kTransforms.begin());
  throw Error(ExitCode::kUsage, "unknown transform \"{}\"; there are {}", name,
              fmt::join(kTransforms, ", "));
}

Image with_channels(Image image, std::int64_t channels) {
  VALLEY_CHECK((channels == 1 || channels == 3) && (image.channels == 1 || image.channels == 3));
  if (image.channels == channels) return image;
  const std::size_t count = image.pixels.size() / static_cast<std::size_t>(image.channels);
  if (channels == 3) {
    Image result(image.height, image.width, channels);
    for (std::size_t i = 0; i < count; ++i) std::fill_n(&result.pixels[3 * i], 3, image.pixels[i]);
    return result;
  }
  const std::uint8_t* from = image.pixels.data();
  for (std::size_t i = 0; i < count; ++i, from += 3)
    image.pixels[i] = static_cast<std::uint8_t>(
        (from[0] * 19595U + from[1] * 38470U + from[2] * 7471U + 0x8000U) >> 16U);
  image.channels = 1;
  image.pixels.resize(count);
  return image;
}

std::optional<Reject> unfit(std::int64_t height, std::int64_t width, const Target& target) {
  if (target.transform == Transform::kBorder && (height > target.height || width > target.width))
    return Reject{"too large", fmt::format("{}x{} pixels; border does not shrink to {}x{}", width,
                                           height, target.width, target.height)};
  if (target.transform != Transform::kCenterCropWide) return std::nullopt;
  const std::int64_t rows = wide_rows(height, width, target);
  if (width >= target.width && rows >= target.content_height) return std::nullopt;
  return Reject{"too small", fmt::format("{}x{} pixels; center-crop-wide of {}x{} enlarges none",
                                         width, height, target.width, target.content_height)};
}

Image fit(Image image, const Target& target) {
  VALLEY_CHECK(target.channels == 1 || target.channels == 3);
  // Gray is resampled as one channel and repeated at the end.
  if (target.channels == 1) image = with_channels(std::move(image), 1);
  switch (target.transform) {
    case Transform::kNone:
      image = resample(image, target.height, target.width, target.filter);
      break;
    case Transform::kCenterCrop:
      image = resample(center_crop(std::move(image), target), target.height, target.width,
                       target.filter);
      break;
    case Transform::kPad:
      image = pad(image, target);
      break;
    case Transform::kBorder:
      image = centered(image, target);
      break;
    case Transform::kCenterCropWide:
      image = center_crop_wide(std::move(image), target);
      break;
    case Transform::kCenterCropDhariwal:
      image = center_crop_dhariwal(std::move(image), target);
      break;
  }
  return with_channels(std::move(image), target.channels);
}

}  // namespace valley
