// How fast a file system writes and reads, measured with a file of up to 64 MB.
#pragma once

#include <cstdint>
#include <filesystem>

namespace valley::doctor {

struct StorageSpeed {
  double write_mb_per_s = 0;  // with fsync
  double read_mb_per_s = 0;
  bool read_from_disk = false;  // false: the file system allows no way around its memory
};

// Writes `file`, which must not exist, flushes, reads it and removes it: at most half of
// `free_bytes`, in about three seconds at most on any disk that can be trained from. Error naming
// file and bytes when it cannot be written (kCannotWrite, kIo).
[[nodiscard]] StorageSpeed measure_storage(const std::filesystem::path& file,
                                           std::uint64_t free_bytes);

// Reads up to 64 MB of an existing file, for up to a second. Error naming it (kMissingInput, kIo).
struct ReadSpeed {
  double mb_per_s = 0;
  bool from_disk = false;
};
[[nodiscard]] ReadSpeed measure_read(const std::filesystem::path& file);

}  // namespace valley::doctor
