// Files that are complete or absent, even when the host crashes while they are written.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "core/hash.h"

namespace valley {

// Writes to a temporary file beside `path`; `commit` flushes it to the disk and renames it to
// `path`. Without a commit the destructor removes it. A symbolic link is followed, also when its
// target does not exist. A file that is replaced keeps its permissions. Every failure is an Error
// naming the path and the bytes (ExitCode::kCannotWrite or kIo); a directory, device or named pipe
// is not replaced. An open file of this process, such as /dev/stdout or bash's >(command), is
// written directly.
class AtomicFile {
 public:
  explicit AtomicFile(const std::filesystem::path& path);
  ~AtomicFile();
  AtomicFile(AtomicFile&& other) noexcept;
  AtomicFile& operator=(AtomicFile&&) = delete;

  void write(Bytes bytes);
  void write(std::string_view text) { write(as_bytes(text)); }
  void commit();

 private:
  std::filesystem::path path_;
  std::string name_;                 // for messages
  std::filesystem::path temporary_;  // "" for an open file, which is written directly
  int descriptor_ = -1;
};

void write_file(const std::filesystem::path& path,
                std::string_view text);  // one AtomicFile, written and committed

// Error (ExitCode::kCannotWrite) where an AtomicFile would fail: the folder is missing or
// read-only, or `path` is a directory or a device. Creates nothing.
void require_writable(const std::filesystem::path& path);

void sync_directory(const std::filesystem::path& directory);  // makes renames in it durable

}  // namespace valley
