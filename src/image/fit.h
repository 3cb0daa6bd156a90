// Converts a decoded image to the shape of a data set: first its channels, then its size.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "image/image.h"
#include "image/image_source.h"
#include "image/resample.h"

namespace valley {

enum class Transform {
  kNone,            // stretched
  kCenterCrop,      // the largest centered part of the target's aspect ratio (a square target: the
                    // short side), then resized
  kPad,             // resized to fit inside, centered on the background
  kBorder,          // not resized, centered on the background
  kCenterCropWide,  // as in StyleGAN's dataset_tool.py: see content_height
  kCenterCropDhariwal,  // as in ADM's image_datasets.py: halved by box filters while the short
                        // side is at least twice the target, then bicubic, then cropped
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
  std::uint8_t background = 255;  // background of kPad and kBorder, in every channel
  // For kCenterCropWide, whose height and width are equal: the height of the image between black
  // bars. Rows are cropped to round(width * image height / image width), then the rest is stretched
  // to content_height x width.
  std::int64_t content_height = 0;

  friend bool operator==(const Target&, const Target&) = default;
};

// Reason why an image of this size cannot be fitted: kCenterCropWide does not enlarge, and kBorder
// does not shrink.
[[nodiscard]] std::optional<Reject> unfit(std::int64_t height, std::int64_t width,
                                          const Target& target);

// Requires that `unfit` returns nullopt. kCenterCropDhariwal requires a square target and ignores
// `filter`.
[[nodiscard]] Image fit(Image image, const Target& target);

// Gray is ITU-R 601 luma in 16-bit fixed point, as Pillow's "L"; RGB repeats gray.
[[nodiscard]] Image with_channels(Image image, std::int64_t channels);

}  // namespace valley
