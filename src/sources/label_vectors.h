// Adds label vectors, such as the attributes of CelebA, to the images of a source.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "image/image_source.h"
#include "sources/wrapped_source.h"

namespace valley {

// Columns of a table (label_table.h); without any, all of them.
struct LabelVectorOptions {
  std::filesystem::path file;
  std::vector<std::string> columns;
};
// "csv:FILE" or "csv:FILE:COLUMN,COLUMN"; else kUsage.
[[nodiscard]] LabelVectorOptions parse_label_vectors(const std::string& text);

class LabelVectors final : public WrappedSource {
 public:
  // Rows are found by the names of the images; rows without an image are ignored. Errors: those of
  // read_label_table; kData for an unknown column, an image without a row, and a value that is not
  // a finite number.
  LabelVectors(std::unique_ptr<ImageSource> source, const LabelVectorOptions& options);

  [[nodiscard]] std::vector<std::string> label_vector_names() const override { return names_; }
  [[nodiscard]] std::vector<float> label_vector(std::uint64_t index) const override;
  [[nodiscard]] std::string identity_json() const override;

 private:
  std::vector<std::string> names_;
  std::vector<float> values_;  // [images][names]
};

}  // namespace valley
