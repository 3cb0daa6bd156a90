// Images of several inputs (folders of shards, folders of image files, image files) as one list in
// a fixed order, each with its name and label, converted to the image shape of a model.
//
// To add a kind of input: implement LabeledImages and add a case to open_images.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "inference/saved_model.h"

namespace valley {

struct ImageShape {
  std::int64_t height = 0;  // pixels
  std::int64_t width = 0;
  std::int64_t channels = 0;  // 1 or 3
  friend bool operator==(const ImageShape&, const ImageShape&) = default;
  [[nodiscard]] std::string text() const;  // "64x64x3": width, height, channels
};
[[nodiscard]] ImageShape image_shape(const ModelOptions& options);

// Thread-safe.
class LabeledImages {
 public:
  virtual ~LabeledImages() = default;

  [[nodiscard]] virtual std::uint64_t size() const = 0;
  [[nodiscard]] virtual const ImageShape& shape() const = 0;  // common to all images
  // Index in the inputs, name and class (-1: none) of image i < size(). Do not read the image.
  [[nodiscard]] virtual std::uint64_t index(std::uint64_t i) const { return i; }
  [[nodiscard]] virtual std::string name(std::uint64_t i) const = 0;
  [[nodiscard]] virtual std::int64_t label(std::uint64_t i) const = 0;
  [[nodiscard]] virtual const std::vector<std::string>& class_names() const = 0;  // may be empty
  // A hash of names, labels and whatever is known about the pixels without reading them, for
  // comparison between ranks.
  [[nodiscard]] virtual std::string fingerprint() const = 0;

  // Reads image i into `pixels` [H, W, C]. Error kData naming the file, or shard and row, of an
  // image that is damaged or not supported.
  virtual void read(std::uint64_t i, std::span<std::uint8_t> pixels) const = 0;
  // Images [first, first + n): uint8 [n, H, W, C].
  [[nodiscard]] at::Tensor pixels(std::uint64_t first, std::int64_t n) const;
};

// All images of `inputs`, in order: a data set in its own order, a folder of PNG, JPEG and WebP
// files by the bytes of their paths. Files are center-cropped, resized and converted to `shape`;
// shards must have that shape. If class names differ between inputs, classes are indexed in the
// order in which their names appear. Errors: kMissingInput for a missing input, kData for one
// without images, kUsage for shards of another shape, naming `model`, the model's file.
[[nodiscard]] std::shared_ptr<const LabeledImages> open_images(
    const std::vector<std::string>& inputs, const ImageShape& shape, const std::string& model);

// The first `count` of `images`, or with a seed `count` random ones in ascending order; all images
// if there are fewer.
[[nodiscard]] std::shared_ptr<const LabeledImages> choose_images(
    std::shared_ptr<const LabeledImages> images, std::uint64_t count,
    std::optional<std::uint64_t> seed);

}  // namespace valley
