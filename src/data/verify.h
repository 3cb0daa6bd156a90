// Checks a data-set directory against its manifest and checksums; finds all problems, not only the
// first.
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
  std::optional<std::uint64_t> row;  // row of the shard; nullopt: metadata or the whole file
  std::string what;
};

struct VerifyReport {
  std::vector<Problem> problems;
  std::uint64_t images = 0;  // images whose pixels match
  std::uint64_t shards = 0;  // shards checked
  std::uint64_t bytes = 0;   // bytes read
  double seconds = 0;
};

// Always: the manifest, sizes and metadata hashes, attributes and shapes, the CRC32C of every
// image, the small files against SHA256SUMS. With `deep` also the SHA-256 of every shard, the
// fingerprint, class histogram, mean and deviation, and that encoded images can be decoded.
// `progress` is called with the images done and their total, on the calling thread. Errors:
// kMissingInput if the directory is not a data set; kIo if storage fails or a shard cannot be
// opened because locking fails.
[[nodiscard]] VerifyReport verify_dataset(
    const std::filesystem::path& directory, bool deep,
    const std::function<void(std::uint64_t done, std::uint64_t all)>& progress = {});

}  // namespace valley
