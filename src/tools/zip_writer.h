// Writes a zip file of members that are not compressed, in one pass: the bytes depend on names and
// contents only, and files and members may be larger than 4 GiB.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "core/atomic_file.h"
#include "core/hash.h"

namespace valley {

class ZipWriter {
 public:
  // `path` appears with `commit`. Errors of all members: those of AtomicFile.
  explicit ZipWriter(const std::filesystem::path& path) : file_(path) {}

  // `path`: UTF-8, relative, with '/'. Time stamps are 1980-01-01.
  void add(std::string_view path, std::string_view content);

  // A member in pieces, of `bytes` in total.
  void begin(std::string_view path, std::uint64_t bytes);
  void write(Bytes piece);
  void end();

  // Returns the size of the file.
  std::uint64_t commit();

 private:
  struct Member {
    std::string path;
    std::uint64_t bytes = 0;
    std::uint64_t offset = 0;  // of its header
    std::uint32_t crc = 0;
    bool in_pieces = false;
  };
  void put(std::string_view bytes);
  void put_header(const Member& member);
  void put_entry(const Member& member);
  void put_end(std::uint64_t directory);

  AtomicFile file_;
  std::vector<Member> members_;
  std::uint64_t offset_ = 0;
  std::uint64_t missing_ = 0;  // bytes of the member in pieces
};

}  // namespace valley
