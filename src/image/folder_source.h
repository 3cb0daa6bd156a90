// A folder of PNG, JPEG and WebP files as a source of images, with the folders in it as classes.
//
// Images are ordered by the bytes of their paths and named by them. The identity of the source is
// each file's name, size and label: what can be known without reading all of it. What a file holds
// is told by its content, not by its name. A file that changes its size, vanishes or turns into
// something else while the folder is being read is a reject.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "image/decode.h"
#include "image/folder_listing.h"
#include "image/image_source.h"
#include "image/labels.h"

namespace valley {

struct FolderOptions {
  DecodeOptions decode{};
  LabelOptions labels{};
  std::uint64_t min_size = 1;             // pixels of the shorter side
  std::uint64_t max_pixels = 64'000'000;  // also bounds the memory: DecodeLimits::kBytesPerPixel
  unsigned jobs = 1;                      // threads that will read
};

class FolderSource final : public ImageSource {
 public:
  // Lists the folder. Errors: kMissingInput when it cannot be read; those of find_labels.
  FolderSource(std::filesystem::path folder, FolderOptions options);

  [[nodiscard]] std::uint64_t size() const override { return entries_.size(); }
  [[nodiscard]] std::string name(std::uint64_t index) const override {
    return escaped_name(entries_[index].path);
  }
  [[nodiscard]] std::int64_t label(std::uint64_t index) const override { return labels_.of[index]; }
  [[nodiscard]] std::vector<std::string> class_names() const override {
    return labels_.class_names;
  }
  [[nodiscard]] std::string identity_json() const override;
  // Errors of its readers' `load`: kIo when the storage fails, which is no image's fault.
  [[nodiscard]] std::unique_ptr<ImageReader> open_reader() const override;
  [[nodiscard]] std::string listing() const override;

  // What was passed over, and what is odd about the labels, for people; empty: nothing.
  [[nodiscard]] const std::vector<std::string>& notes() const { return notes_; }
  [[nodiscard]] const std::string& label_warning() const { return labels_.warning; }

 private:
  std::filesystem::path folder_;
  FolderOptions options_;
  std::vector<FolderEntry> entries_;
  Labels labels_;
  std::vector<std::string> notes_;
  std::unique_ptr<MemoryBudget> budget_;
};

}  // namespace valley
