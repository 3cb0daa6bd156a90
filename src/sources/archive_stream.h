// Reads the members of a tar file, plain or compressed by gzip, xz, zstd or bzip2, one after the
// other (libarchive). Nothing is ever written or unpacked.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "image/image_source.h"

struct archive;
struct archive_entry;

namespace valley {

struct ArchiveMember {
  std::string path;               // as stored
  std::uint64_t bytes = 0;        // as its header says
  std::uint64_t data_offset = 0;  // of the contents in the uncompressed archive
  std::int64_t modified_ns = 0;
  bool is_folder = false;
  std::optional<Reject> reject{};  // links, devices, encrypted and sparse members
};

class ArchiveStream {
 public:
  // Errors: kMissingInput if the file cannot be opened; kData if it is not an archive.
  explicit ArchiveStream(const std::filesystem::path& file);
  ~ArchiveStream();
  ArchiveStream(const ArchiveStream&) = delete;
  ArchiveStream& operator=(const ArchiveStream&) = delete;

  // The next member, or nothing at the end. Error kData for a damaged or truncated archive.
  [[nodiscard]] std::optional<ArchiveMember> next();
  // The contents of the current member, at most once and at most `bytes` of its header. A reject
  // if they end early or are damaged.
  [[nodiscard]] std::optional<Reject> read(std::string& content);
  [[nodiscard]] bool is_compressed() const { return is_compressed_; }

 private:
  [[noreturn]] void fail() const;
  std::filesystem::path file_;
  ::archive* archive_;
  ::archive_entry* entry_ = nullptr;
  std::uint64_t bytes_ = 0;
  bool is_compressed_ = false;
};

// True if the first bytes of a file are those of a tar file, or of a compressed file that holds
// one.
[[nodiscard]] bool is_tar(const std::filesystem::path& file);

}  // namespace valley
