// File that is read and written at given offsets (pread, pwrite), so that several threads can use
// one object at the same time.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>

#include "core/hash.h"

namespace valley {

class PositionedFile {
 public:
  // Signature of pread, which tests replace.
  using Pread = ::ssize_t (*)(int descriptor, void* buffer, std::size_t bytes, ::off_t offset);
  // Pause before the first of kRetries new attempts, doubled each time: 26 s in total.
  static constexpr int kRetries = 10;
  static constexpr std::chrono::milliseconds kFirstPause{25};

  // Errors name the file: kMissingInput if it cannot be opened for reading.
  static PositionedFile open_to_read(const std::filesystem::path& path, Pread pread = nullptr,
                                     std::chrono::milliseconds first_pause = kFirstPause);
  static PositionedFile open_to_write(const std::filesystem::path& path);  // an existing file
  static PositionedFile create(const std::filesystem::path& path);         // replaces an old one
  ~PositionedFile();
  PositionedFile(PositionedFile&& other) noexcept;
  PositionedFile& operator=(PositionedFile&& other) noexcept;

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  [[nodiscard]] std::uint64_t size() const;  // bytes, now

  // Fills `to`. Retries EINTR immediately, EIO, ESTALE and ETIMEDOUT (network file systems) with a
  // new descriptor and growing pauses, with one warning per file, then Error kIo. Error kData if
  // the file is too short.
  void read_at(std::uint64_t offset, std::span<std::byte> to) const;
  void write_at(std::uint64_t offset, Bytes bytes) const;
  // Advises the kernel to read a range that is not in its page cache, judged by its first and last
  // byte; false if it is there. Never fails.
  bool will_need(std::uint64_t offset, std::uint64_t bytes) const;
  void sync() const;  // flushes to disk

 private:
  PositionedFile(std::filesystem::path path, int descriptor, Pread pread,
                 std::chrono::milliseconds first_pause);
  void warn_once(int error_number) const;
  std::filesystem::path path_;
  int descriptor_ = -1;
  Pread pread_;
  std::chrono::milliseconds first_pause_;
  std::unique_ptr<std::atomic<bool>> has_warned_;
};

// SHA-256 of a file outside the range [begin, begin + length).
struct FileHashes {
  std::string whole;
  std::string outside;
};
// Reads only bytes outside the range.
[[nodiscard]] std::string hash_outside(const PositionedFile& file, std::uint64_t begin,
                                       std::uint64_t length);
// Both hashes in one pass over the file.
[[nodiscard]] FileHashes hash_whole_and_outside(const PositionedFile& file, std::uint64_t begin,
                                                std::uint64_t length);

}  // namespace valley
