// The members of a zip file as a collection (libzip): class folders, or StyleGAN's dataset.json.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sources/file_collection.h"
#include "sources/member_names.h"

namespace valley {

class ZipFiles final : public FileCollection {
 public:
  // Lists the members. Errors: kMissingInput, kData for a damaged or truncated file.
  explicit ZipFiles(std::filesystem::path file);

  [[nodiscard]] std::string_view kind() const override { return "zip"; }
  [[nodiscard]] const std::vector<FileEntry>& entries() const override { return entries_; }
  // Each reader opens the file again: libzip's handles are for one thread.
  [[nodiscard]] std::unique_ptr<FileReader> open_reader() const override;
  [[nodiscard]] std::optional<std::string> dataset_file() const override { return dataset_file_; }
  [[nodiscard]] std::string place_of(std::string_view path) const override;
  [[nodiscard]] std::vector<std::string> notes() const override {
    return describe_skipped(skipped_);
  }

 private:
  std::filesystem::path file_;
  std::vector<FileEntry> entries_;
  std::vector<std::uint64_t> places_;  // index in the zip file
  std::optional<std::string> dataset_file_;
  SkippedFiles skipped_;
};

// True for files that begin as a zip file.
[[nodiscard]] bool is_zip(std::string_view begin);

}  // namespace valley
