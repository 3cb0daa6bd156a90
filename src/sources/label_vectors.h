// Adds label vectors, such as the attributes of CelebA, to the images of a source.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "image/image_source.h"

namespace valley {

// Columns of a table (label_table.h); without any, all of them.
struct LabelVectorOptions {
  std::filesystem::path file;
  std::vector<std::string> columns;
};
// "csv:FILE" or "csv:FILE:COLUMN,COLUMN"; else kUsage.
[[nodiscard]] LabelVectorOptions parse_label_vectors(const std::string& text);

class LabelVectors final : public ImageSource {
 public:
  // Rows are found by the names of the images; rows without an image are ignored. Errors: those of
  // read_label_table; kData for an unknown column, an image without a row, and a value that is not
  // a finite number.
  LabelVectors(std::unique_ptr<ImageSource> source, const LabelVectorOptions& options);

  [[nodiscard]] std::uint64_t size() const override { return source_->size(); }
  [[nodiscard]] std::string name(std::uint64_t index) const override {
    return source_->name(index);
  }
  [[nodiscard]] std::int64_t label(std::uint64_t index) const override {
    return source_->label(index);
  }
  [[nodiscard]] std::vector<std::string> class_names() const override {
    return source_->class_names();
  }
  [[nodiscard]] std::vector<std::string> label_vector_names() const override { return names_; }
  [[nodiscard]] std::vector<float> label_vector(std::uint64_t index) const override;
  [[nodiscard]] std::optional<std::array<std::uint32_t, 2>> orig_size(
      std::uint64_t index) const override {
    return source_->orig_size(index);
  }
  [[nodiscard]] std::string identity_json() const override;
  [[nodiscard]] std::unique_ptr<ImageReader> open_reader() const override {
    return source_->open_reader();
  }
  [[nodiscard]] std::optional<FileDecoding> decoding() const override {
    return source_->decoding();
  }
  void expect_order(const ReadingOrder& order) const override { source_->expect_order(order); }
  [[nodiscard]] std::string listing() const override { return source_->listing(); }

 private:
  std::unique_ptr<ImageSource> source_;
  std::vector<std::string> names_;
  std::vector<float> values_;  // [images][names]
};

}  // namespace valley
