// Brings a decoded image to the shape that a data set stores: channels first, then geometry.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "image/image.h"
#include "image/resample.h"

namespace valley {

enum class Transform {
  kNone,        // stretched
  kCenterCrop,  // the largest centred part of the target's aspect ratio (a square target: the short
                // side), then resized
  kPad,         // resized to fit inside, centred on the background
};

[[nodiscard]] std::string_view transform_name(Transform transform);
[[nodiscard]] const std::vector<std::string>& transform_names();
[[nodiscard]] Transform parse_transform(const std::string& name);  // kUsage for an unknown name

struct Target {
  std::int64_t height = 0;
  std::int64_t width = 0;
  std::int64_t channels = 3;  // 1 or 3
  Transform transform = Transform::kCenterCrop;
  Filter filter = Filter::kLanczos;
  std::uint8_t background = 255;  // of kPad, in every channel
};

[[nodiscard]] Image fit(const Image& image, const Target& target);

// Gray is ITU-R 601 luma in 16-bit fixed point, as Pillow's "L"; RGB of gray repeats it.
[[nodiscard]] Image with_channels(const Image& image, std::int64_t channels);

}  // namespace valley
