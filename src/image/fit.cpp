#include "image/fit.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "core/error.h"

namespace valley {
namespace {

constexpr std::array<std::string_view, 3> kTransforms{"none", "center-crop", "pad"};

std::int64_t scaled(std::int64_t length, std::int64_t numerator, std::int64_t denominator) {
  return std::max<std::int64_t>(1, (length * numerator + denominator / 2) / denominator);
}

Image center_crop(const Image& image, const Target& target) {
  const std::int64_t width =
      std::min(image.width, scaled(image.height, target.width, target.height));
  const std::int64_t height =
      std::min(image.height, scaled(image.width, target.height, target.width));
  Image part(height, width, image.channels);
  const std::int64_t top = (image.height - height) / 2;
  const std::int64_t left = (image.width - width) / 2;
  for (std::int64_t y = 0; y < height; ++y)
    std::copy_n(image.row(top + y) + left * image.channels, part.row_bytes(), part.row(y));
  return part;
}

Image pad(const Image& image, const Target& target) {
  const bool is_wide = image.width * target.height >= target.width * image.height;
  const std::int64_t width =
      is_wide ? target.width : scaled(image.width, target.height, image.height);
  const std::int64_t height =
      is_wide ? scaled(image.height, target.width, image.width) : target.height;
  const Image inside = resample(image, std::min(height, target.height),
                                std::min(width, target.width), target.filter);
  Image whole(target.height, target.width, image.channels, target.background);
  const std::int64_t top = (target.height - inside.height) / 2;
  const std::int64_t left = (target.width - inside.width) / 2;
  for (std::int64_t y = 0; y < inside.height; ++y)
    std::copy_n(inside.row(y), inside.row_bytes(), whole.row(top + y) + left * image.channels);
  return whole;
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

Image with_channels(const Image& image, std::int64_t channels) {
  VALLEY_CHECK((channels == 1 || channels == 3) && (image.channels == 1 || image.channels == 3));
  if (image.channels == channels) return image;
  Image result(image.height, image.width, channels);
  const std::uint8_t* from = image.pixels.data();
  std::uint8_t* to = result.pixels.data();
  const std::int64_t count = image.height * image.width;
  if (channels == 3) {
    for (std::int64_t i = 0; i < count; ++i, to += 3) std::fill_n(to, 3, from[i]);
    return result;
  }
  for (std::int64_t i = 0; i < count; ++i, from += 3)
    to[i] = static_cast<std::uint8_t>(
        (from[0] * 19595U + from[1] * 38470U + from[2] * 7471U + 0x8000U) >> 16U);
  return result;
}

Image fit(const Image& image, const Target& target) {
  const Image converted = with_channels(image, target.channels);
  switch (target.transform) {
    case Transform::kNone:
      return resample(converted, target.height, target.width, target.filter);
    case Transform::kCenterCrop:
      return resample(center_crop(converted, target), target.height, target.width, target.filter);
    case Transform::kPad:
      return pad(converted, target);
  }
  VALLEY_CHECK(false);
  return {};
}

}  // namespace valley
