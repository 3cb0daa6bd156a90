// A zip file that is open for reading (libzip), for one thread.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "image/image_source.h"
#include "sources/byte_rows.h"

struct zip;

namespace valley {

struct ZipMember {
  std::string path;
  std::uint64_t bytes = 0;         // uncompressed
  std::uint64_t stored_bytes = 0;  // in the file
  bool is_stored = false;          // not compressed
  std::int64_t modified_ns = 0;
  std::optional<Reject> reject{};  // encrypted members and unknown compression
};

class ZipFile {
 public:
  // Errors: kMissingInput if the file cannot be opened, kData if it is not a whole zip file.
  explicit ZipFile(std::filesystem::path file);
  ~ZipFile();
  ZipFile(const ZipFile&) = delete;
  ZipFile& operator=(const ZipFile&) = delete;

  [[nodiscard]] std::uint64_t size() const;  // members, folders included
  [[nodiscard]] ZipMember member(std::uint64_t index) const;
  // Replaces `content` by the `bytes` that the directory promises. A reject for damaged contents,
  // and for those that are shorter or longer. Error kIo if storage fails.
  [[nodiscard]] std::optional<Reject> read(std::uint64_t index, std::uint64_t bytes,
                                           std::string& content) const;
  // The first `bytes` of the contents.
  [[nodiscard]] std::optional<Reject> read_begin(std::uint64_t index, std::uint64_t bytes,
                                                 std::string& content) const;

 private:
  std::filesystem::path file_;
  ::zip* zip_;
};

// Contents of `bytes` that are stored without compression, at any offset, by any thread. Errors of
// `read`: kData if the file is damaged.
[[nodiscard]] std::shared_ptr<const ByteRange> open_stored_member(const std::filesystem::path& file,
                                                                  std::uint64_t index,
                                                                  std::uint64_t bytes);

}  // namespace valley
