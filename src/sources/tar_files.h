// The members of one or several tar files as a collection: plain archives with class folders or a
// dataset.json, and webdataset samples, whose label is in a file of the same key (.cls, .txt or
// .json).
// An archive of `valley shard export` begins with kClassesMember; its .json files also hold names.
//
// Members of plain archives are read at their offsets; compressed ones in passes (StreamWindows).
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "data/positioned_file.h"
#include "sources/file_collection.h"
#include "sources/member_names.h"
#include "sources/stream_windows.h"

namespace valley {

// A JSON list of class names. webdataset passes over members whose names are of this form.
inline constexpr std::string_view kClassesMember = "__classes__";

class TarFiles final : public FileCollection {
 public:
  // Lists the members. Errors: kMissingInput, kData for a damaged archive.
  explicit TarFiles(std::vector<std::filesystem::path> archives);

  [[nodiscard]] std::string_view kind() const override { return "tar"; }
  [[nodiscard]] const std::vector<FileEntry>& entries() const override { return entries_; }
  [[nodiscard]] std::unique_ptr<FileReader> open_reader() const override;
  [[nodiscard]] std::optional<std::string> dataset_file() const override { return dataset_file_; }
  [[nodiscard]] const std::vector<std::int64_t>& own_labels() const override { return labels_; }
  [[nodiscard]] std::vector<std::string> own_class_names() const override { return class_names_; }
  [[nodiscard]] const std::vector<std::string>& own_names() const override { return names_; }
  [[nodiscard]] std::string place_of(std::string_view path) const override;
  void expect_order(const ReadingOrder& order) const override;
  [[nodiscard]] std::vector<std::string> notes() const override;

 private:
  struct Place {
    std::size_t archive = 0;
    std::uint64_t offset = 0;  // of the contents
    std::uint64_t rank = 0;    // among the images of all archives
  };
  class Listing;
  class Reader;

  std::vector<std::filesystem::path> archives_;
  std::vector<FileEntry> entries_;
  std::vector<Place> places_;
  std::vector<std::int64_t> labels_;  // empty if no sample has one
  std::vector<std::string> class_names_;
  std::vector<std::string> names_;  // empty without kClassesMember
  std::optional<std::string> dataset_file_;
  SkippedFiles skipped_;
  std::vector<PositionedFile> files_;       // of plain archives
  std::unique_ptr<StreamWindows> windows_;  // of compressed ones
};

}  // namespace valley
