// A collection of PNG, JPEG and WebP files as a source of images. The format of a file is detected
// from its content, not its name. Images are named by their paths, or as the file of `valley shard
// export` says.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/text.h"
#include "image/decode.h"
#include "image/image_source.h"
#include "sources/file_collection.h"
#include "sources/labels.h"

namespace valley {

struct EncodedOptions {
  DecodeOptions decode{};
  LabelOptions labels{};
  std::uint64_t min_size = 1;             // minimum pixels of the shorter side
  std::uint64_t max_pixels = 64'000'000;  // also limits memory: DecodeLimits::kBytesPerPixel
  unsigned jobs = 1;                      // number of reading threads
};

class EncodedSource final : public ImageSource {
 public:
  // Errors of find_labels.
  EncodedSource(std::unique_ptr<FileCollection> files, EncodedOptions options);

  [[nodiscard]] std::uint64_t size() const override { return files_->entries().size(); }
  [[nodiscard]] std::string name(std::uint64_t index) const override;
  [[nodiscard]] std::int64_t label(std::uint64_t index) const override {
    return labels_.of[file_at(index)];
  }
  [[nodiscard]] std::vector<std::string> class_names() const override {
    return labels_.class_names;
  }
  [[nodiscard]] std::string identity_json() const override;
  // `load` of its readers: Error kIo if storage fails.
  [[nodiscard]] std::unique_ptr<ImageReader> open_reader() const override;
  [[nodiscard]] std::optional<FileDecoding> decoding() const override {
    return FileDecoding{options_.decode, options_.max_pixels};
  }
  void expect_order(const ReadingOrder& order) const override;
  [[nodiscard]] std::string listing() const override;

  // Messages about skipped files and unusual labels; may be empty.
  [[nodiscard]] std::vector<std::string> notes() const { return files_->notes(); }
  [[nodiscard]] const std::string& label_warning() const { return labels_.warning; }

 private:
  // The file of an image: images are in the order of the files, unless labels_ has another.
  [[nodiscard]] std::uint64_t file_at(std::uint64_t index) const {
    return labels_.order.empty() ? index : labels_.order[index];
  }

  std::unique_ptr<FileCollection> files_;
  EncodedOptions options_;
  Labels labels_;
  std::unique_ptr<MemoryBudget> budget_;
};

}  // namespace valley
