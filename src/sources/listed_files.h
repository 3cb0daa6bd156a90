// Files that a table lists (label_table.h), with a class in its first column after the paths, which
// are relative to the folder of the table.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sources/file_collection.h"

namespace valley {

class ListedFiles final : public FileCollection {
 public:
  // `column`: of the classes; "": the first one. Files that are not there are rejects. Errors of
  // read_label_table.
  ListedFiles(const std::filesystem::path& table, const std::string& column);

  [[nodiscard]] std::string_view kind() const override { return "list"; }
  [[nodiscard]] const std::vector<FileEntry>& entries() const override { return entries_; }
  [[nodiscard]] std::unique_ptr<FileReader> open_reader() const override;
  [[nodiscard]] std::optional<std::string> dataset_file() const override { return std::nullopt; }
  [[nodiscard]] const std::vector<std::int64_t>& own_labels() const override { return labels_; }
  [[nodiscard]] std::vector<std::string> own_class_names() const override { return class_names_; }
  [[nodiscard]] std::string place_of(std::string_view path) const override;
  [[nodiscard]] std::vector<std::string> notes() const override { return {}; }

 private:
  std::filesystem::path folder_;
  std::vector<FileEntry> entries_;
  std::vector<std::int64_t> labels_;
  std::vector<std::string> class_names_;
};

}  // namespace valley
