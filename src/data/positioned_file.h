// A file read and written at given offsets (pread, pwrite): no file position, so several threads
// may use one object at once.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>

#include "core/hash.h"

namespace valley {

class PositionedFile {
 public:
  // The system call, so that tests can make it fail.
  using Pread = ::ssize_t (*)(int descriptor, void* buffer, std::size_t bytes, ::off_t offset);

  // Errors name the file: kMissingInput when it cannot be opened for reading.
  static PositionedFile open_to_read(const std::filesystem::path& path, Pread pread = nullptr);
  static PositionedFile open_to_write(const std::filesystem::path& path);  // an existing file
  ~PositionedFile();
  PositionedFile(PositionedFile&& other) noexcept;
  PositionedFile& operator=(PositionedFile&& other) noexcept;

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  [[nodiscard]] std::uint64_t size() const;  // bytes, now

  // Fills `to`. EINTR is repeated at once; EIO and ESTALE (network file systems) are tried again
  // through a fresh descriptor, with growing pauses of two seconds in all, then kIo. A file that
  // ends too early is kData.
  void read_at(std::uint64_t offset, std::span<std::byte> to) const;
  void write_at(std::uint64_t offset, Bytes bytes) const;
  void will_need(std::uint64_t offset, std::uint64_t bytes) const;  // a hint: never fails
  void sync() const;                                                // to the disk

 private:
  PositionedFile(std::filesystem::path path, int descriptor, Pread pread);
  std::filesystem::path path_;
  int descriptor_ = -1;
  Pread pread_;
};

// SHA-256 of a file with a hole: what lies outside [begin, begin + length).
struct FileHashes {
  std::string whole;
  std::string outside;
};
// Reads only what lies outside.
[[nodiscard]] std::string hash_outside(const PositionedFile& file, std::uint64_t begin,
                                       std::uint64_t length);
// Both in one pass over the file.
[[nodiscard]] FileHashes hash_whole_and_outside(const PositionedFile& file, std::uint64_t begin,
                                                std::uint64_t length);

}  // namespace valley
