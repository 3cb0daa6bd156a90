// Images of existing data sets as a source: for subsets, splits, merged and resized copies.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "data/dataset.h"
#include "image/image_source.h"

namespace valley {

class DatasetImages final : public ImageSource {
 public:
  // The images at `indices`, in this order; without them all. With `copies_records` of an encoded
  // data set its readers have the stored files, and its images are those files decoded: fitted by
  // the transform of the data set they equal its images.
  explicit DatasetImages(std::shared_ptr<const Dataset> dataset,
                         std::optional<std::vector<std::uint64_t>> indices = std::nullopt,
                         bool copies_records = false);

  [[nodiscard]] std::uint64_t size() const override { return indices_.size(); }
  [[nodiscard]] std::string name(std::uint64_t index) const override {
    return dataset_->name(indices_[index]);
  }
  [[nodiscard]] std::int64_t label(std::uint64_t index) const override {
    return dataset_->label(indices_[index]);
  }
  [[nodiscard]] std::vector<std::string> class_names() const override {
    return dataset_->class_names();
  }
  [[nodiscard]] std::optional<std::array<std::uint32_t, 2>> orig_size(
      std::uint64_t index) const override {
    return dataset_->orig_size(indices_[index]);
  }
  [[nodiscard]] std::vector<std::string> label_vector_names() const override {
    return dataset_->label_vector_names();
  }
  [[nodiscard]] std::vector<float> label_vector(std::uint64_t index) const override {
    const std::span<const float> values = dataset_->label_vector(indices_[index]);
    return {values.begin(), values.end()};
  }
  [[nodiscard]] std::string identity_json() const override;
  [[nodiscard]] std::optional<FileDecoding> decoding() const override;
  // Every image is verified against its CRC32C.
  [[nodiscard]] std::unique_ptr<ImageReader> open_reader() const override;

 private:
  std::shared_ptr<const Dataset> dataset_;
  std::vector<std::uint64_t> indices_;
  bool copies_records_;
};

// A choice of images of a data set.
struct ImageChoice {
  std::vector<std::string> classes;     // names or numbers; empty: all
  std::vector<std::string> names;       // of images; empty: all
  std::optional<std::uint64_t> random;  // this many of the others' choice, by seed
  std::optional<std::uint64_t> first;   // this many, in the order of the data set
  std::uint64_t seed = 0;
};
// Their indices in growing order. Errors: kUsage for an unknown class or name, and for more images
// than there are.
[[nodiscard]] std::vector<std::uint64_t> choose_images(const Dataset& dataset,
                                                       const ImageChoice& choice);

// Parts of a data set that have no image in common and `shares` of each class, as near as whole
// images allow (the largest remainders are rounded up). Images without a label are a class. Which
// images go to which part depends on the seed and the names, not on their order.
[[nodiscard]] std::vector<std::vector<std::uint64_t>> split_images(
    const Dataset& dataset, const std::vector<double>& shares, std::uint64_t seed);

}  // namespace valley
