// Write and read speed of a file system, measured with a file of up to 64 MB.
#pragma once

#include <cstdint>
#include <filesystem>

namespace valley::doctor {

struct StorageSpeed {
  double write_mb_per_s = 0;  // with fsync
  double read_mb_per_s = 0;
  bool read_from_disk = false;  // false: the page cache could not be bypassed
};

// Writes, flushes, reads and removes `file`, which must not exist: at most half of `free_bytes`,
// within about three seconds on any usable disk. Error naming file and bytes if it cannot be
// written (kCannotWrite, kIo).
[[nodiscard]] StorageSpeed measure_storage(const std::filesystem::path& file,
                                           std::uint64_t free_bytes);

// Reads up to 64 MB of an existing file, for up to a second. Error naming it (kMissingInput, kIo).
struct ReadSpeed {
  double mb_per_s = 0;
  bool from_disk = false;
};
[[nodiscard]] ReadSpeed measure_read(const std::filesystem::path& file);

}  // namespace valley::doctor
