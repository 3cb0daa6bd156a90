// Images in an LMDB database, as LSUN's: each value is an encoded image, named by its key.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sources/file_collection.h"

namespace valley {

class LmdbEnvironment;

class LmdbFiles final : public FileCollection {
 public:
  // Lists the keys. Errors: kMissingInput; kData for a database that is damaged or truncated.
  explicit LmdbFiles(std::filesystem::path folder);
  ~LmdbFiles() override;

  [[nodiscard]] std::string_view kind() const override { return "lmdb"; }
  [[nodiscard]] const std::vector<FileEntry>& entries() const override { return entries_; }
  [[nodiscard]] std::unique_ptr<FileReader> open_reader() const override;
  [[nodiscard]] std::optional<std::string> dataset_file() const override { return std::nullopt; }
  [[nodiscard]] std::string place_of(std::string_view path) const override;
  [[nodiscard]] std::vector<std::string> notes() const override { return {}; }

 private:
  std::filesystem::path folder_;
  std::unique_ptr<LmdbEnvironment> environment_;
  std::vector<FileEntry> entries_;  // in the order of the keys
};

// True for a folder with a data.mdb.
[[nodiscard]] bool is_lmdb(const std::filesystem::path& folder);

}  // namespace valley
