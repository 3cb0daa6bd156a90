// A folder of PNG, JPEG and WebP files as a source of images, with its subfolders as classes.
//
// Images are sorted by the bytes of their paths and named by them. The identity of the source
// consists of each file's name, size and label, which are known without reading the files. The
// format of a file is detected from its content, not its name. A file that changes its size,
// vanishes or is replaced while the folder is being read is a reject.
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
  std::uint64_t min_size = 1;             // minimum pixels of the shorter side
  std::uint64_t max_pixels = 64'000'000;  // also limits memory: DecodeLimits::kBytesPerPixel
  unsigned jobs = 1;                      // number of reading threads
};

class FolderSource final : public ImageSource {
 public:
  // Lists the folder. Errors: kMissingInput if it cannot be read; those of find_labels.
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
  // `load` of its readers: Error kIo if storage fails.
  [[nodiscard]] std::unique_ptr<ImageReader> open_reader() const override;
  [[nodiscard]] std::string listing() const override;

  // Messages about skipped files and unusual labels; may be empty.
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
