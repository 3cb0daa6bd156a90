// Writes a tar file (POSIX ustar) whose bytes depend on names and contents only.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string_view>

#include "core/atomic_file.h"

namespace valley {

class TarWriter {
 public:
  // `path` appears with `commit`. Errors of all members: those of AtomicFile.
  explicit TarWriter(const std::filesystem::path& path) : file_(path) {}

  // `path`: at most 100 bytes of ASCII. Time stamps are 0.
  void add(std::string_view path, std::string_view content);

  // Returns the size of the file.
  std::uint64_t commit();

 private:
  void put(std::string_view bytes);
  void pad_to(std::uint64_t multiple);

  AtomicFile file_;
  std::uint64_t offset_ = 0;
};

}  // namespace valley
