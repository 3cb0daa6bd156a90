// Checks a data-set directory against its manifest and checksums; finds all that is wrong, not just
// the first.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace valley {

struct Problem {
  std::string file;                  // in the directory
  std::optional<std::uint64_t> row;  // of the shard; none: metadata or the whole file
  std::string what;
};

struct VerifyReport {
  std::vector<Problem> problems;
  std::uint64_t images = 0;  // whose pixels matched
  std::uint64_t shards = 0;  // looked at
  std::uint64_t bytes = 0;   // read
  double seconds = 0;
};

// Always: the manifest, sizes and metadata hashes, attributes and shapes, the CRC32C of every
// image, the small files against SHA256SUMS. With `deep` also the SHA-256 of every shard, the
// fingerprint, class histogram, mean and deviation. `progress` gets the images done and all of
// them, on the calling thread. Errors: kMissingInput for a directory that is no data set at all;
// kIo when the storage fails or a shard cannot be opened for want of a lock.
[[nodiscard]] VerifyReport verify_dataset(
    const std::filesystem::path& directory, bool deep,
    const std::function<void(std::uint64_t done, std::uint64_t all)>& progress = {});

}  // namespace valley
