// Files that hold one encoded image each: those of a folder, of an archive or of a database.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "image/image_source.h"

namespace valley {

struct FileEntry {
  std::string path{};  // relative to the folder or the archive, with '/', as its bytes
  std::uint64_t bytes = 0;
  std::int64_t modified_ns = 0;    // since 1970; 0 where unknown
  std::optional<Reject> reject{};  // set if it is known not to be an image before it is opened
};

// Reads files; one object per thread.
class FileReader {
 public:
  virtual ~FileReader() = default;
  // Replaces `content` by the bytes of a file whose entry has no reject. Error kIo if storage
  // fails.
  [[nodiscard]] virtual std::optional<Reject> read(std::uint64_t index, std::string& content) = 0;
};

// The files in a fixed order that does not depend on the host. Any thread may call.
class FileCollection {
 public:
  virtual ~FileCollection() = default;
  [[nodiscard]] virtual std::string_view kind() const = 0;  // "folder", "zip", for the identity
  [[nodiscard]] virtual const std::vector<FileEntry>& entries() const = 0;
  [[nodiscard]] virtual std::unique_ptr<FileReader> open_reader() const = 0;
  // The text of dataset.json beside the files, or nothing.
  [[nodiscard]] virtual std::optional<std::string> dataset_file() const = 0;
  // A label that is stored with each file, -1 for a file without one; empty if the kind has none.
  [[nodiscard]] virtual const std::vector<std::int64_t>& own_labels() const;
  [[nodiscard]] virtual std::vector<std::string> own_class_names() const { return {}; }
  // A name that is stored with each file, in place of its path; empty if the kind has none.
  [[nodiscard]] virtual const std::vector<std::string>& own_names() const;
  // Where messages say that a file, such as "dataset.json", is.
  [[nodiscard]] virtual std::string place_of(std::string_view path) const = 0;
  // See ImageSource::expect_order.
  virtual void expect_order(const ReadingOrder& /*order*/) const {}
  // Messages about skipped files; may be empty.
  [[nodiscard]] virtual std::vector<std::string> notes() const = 0;
};

}  // namespace valley
