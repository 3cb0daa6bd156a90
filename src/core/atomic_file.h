// Files that are whole or absent, even when the machine dies while they are written.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "core/hash.h"

namespace valley {

// Writes to a temporary file beside `path`; `commit` flushes it to the disk and gives it its name.
// Without a commit the destructor removes it. Of a symbolic link the target is written, whether it
// exists or not. A file that is replaced keeps its permissions. Every failure is an Error naming
// the path and the bytes (ExitCode::kCannotWrite or kIo); a directory, device or named pipe is not
// replaced. An open file of this process, such as /dev/stdout or bash's >(command), is written
// directly.
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
  std::filesystem::path temporary_;  // "" of an open file, which is written directly
  int descriptor_ = -1;
};

void write_file(const std::filesystem::path& path,
                std::string_view text);  // one AtomicFile, written and committed

// Refuses (ExitCode::kCannotWrite) what an AtomicFile could not write, before there is anything to
// write: a folder that is not there or read-only, a directory or device of that name. Makes
// nothing.
void require_writable(const std::filesystem::path& path);

void sync_directory(const std::filesystem::path& directory);  // makes renames in it durable

}  // namespace valley
