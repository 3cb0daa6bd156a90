// The files of a folder as a collection.
//
// Files are sorted by the bytes of their paths. The identity of the source consists of each file's
// name, size and label, which are known without reading the files. A file that changes its size,
// vanishes or is replaced while the folder is being read is a reject.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sources/file_collection.h"
#include "sources/folder_listing.h"

namespace valley {

// Reads files of `folder` with these entries. Both must outlive the reader.
[[nodiscard]] std::unique_ptr<FileReader> read_files_of(const std::filesystem::path& folder,
                                                        const std::vector<FileEntry>& entries);

class FolderFiles final : public FileCollection {
 public:
  // Lists the folder. Error kMissingInput if it cannot be read.
  explicit FolderFiles(std::filesystem::path folder);

  [[nodiscard]] std::string_view kind() const override { return "folder"; }
  [[nodiscard]] const std::vector<FileEntry>& entries() const override { return listing_.entries; }
  [[nodiscard]] std::unique_ptr<FileReader> open_reader() const override;
  [[nodiscard]] std::optional<std::string> dataset_file() const override;
  [[nodiscard]] std::string place_of(std::string_view path) const override;
  [[nodiscard]] std::vector<std::string> notes() const override;

 private:
  std::filesystem::path folder_;
  FolderListing listing_;
};

}  // namespace valley
