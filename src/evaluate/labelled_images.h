// Images that a person names - folders of shards, folders of image files, image files - as one list
// in a fixed order, each with its name and label, brought to the shape that a model takes.
//
// To let another kind of input be named: a LabelledImages of its own, and a case in open_images.
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
[[nodiscard]] ImageShape shape_of(const ModelOptions& options);

// Any thread may call, several at once.
class LabelledImages {
 public:
  virtual ~LabelledImages() = default;

  [[nodiscard]] virtual std::uint64_t size() const = 0;
  [[nodiscard]] virtual const ImageShape& shape() const = 0;  // of each image
  // What is said of image i < size(), without reading it: its place in all that was named, its name
  // and its class (-1: none).
  [[nodiscard]] virtual std::uint64_t index(std::uint64_t i) const { return i; }
  [[nodiscard]] virtual std::string name(std::uint64_t i) const = 0;
  [[nodiscard]] virtual std::int64_t label(std::uint64_t i) const = 0;
  [[nodiscard]] virtual const std::vector<std::string>& class_names() const = 0;  // may be empty
  // Of names, labels and, as far as is known without reading them, pixels: to be compared between
  // ranks.
  [[nodiscard]] virtual std::string fingerprint() const = 0;

  // Image i into `pixels` [H, W, C]. Error kData naming the file, or shard and row, for what is
  // damaged or no image.
  virtual void read(std::uint64_t i, std::span<std::uint8_t> pixels) const = 0;
  // Images [first, first + n): uint8 [n, H, W, C].
  [[nodiscard]] at::Tensor pixels(std::uint64_t first, std::int64_t n) const;
};

// All images of `inputs`, one after the other: of a data set in its order, of a folder of PNG, JPEG
// and WebP files by the bytes of their paths. Files are cropped to the middle and resized to
// `shape`, gray and colour as it says; shards must have it. Where class names differ between
// inputs, classes are numbered anew in the order in which their names appear. Errors: kMissingInput
// for what is not there, kData for an input without images, kUsage for shards of another shape,
// naming `model`, the file that takes it.
[[nodiscard]] std::shared_ptr<const LabelledImages> open_images(
    const std::vector<std::string>& inputs, const ImageShape& shape, const std::string& model);

// The first `count` of `images`, or, with a seed, that many random ones, in their old order. All of
// them where there are no more.
[[nodiscard]] std::shared_ptr<const LabelledImages> choose_images(
    std::shared_ptr<const LabelledImages> images, std::uint64_t count,
    std::optional<std::uint64_t> seed);

}  // namespace valley
