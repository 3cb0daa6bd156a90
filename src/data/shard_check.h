// Opens a shard and checks it against the manifest, the metadata hash first: HDF5 opens a file only
// after all bytes outside the records have been verified.
#pragma once

#include <cstdint>
#include <filesystem>

#include "data/manifest.h"
#include "data/positioned_file.h"
#include "data/shard_file.h"

namespace valley {

struct OpenShard {
  PositionedFile file;
  std::uint64_t data_offset = 0;
  std::uint64_t image_bytes = 0;  // of a raw record
  ShardRows rows;

  // Place of an image's record in the file.
  struct Extent {
    std::uint64_t offset = 0;
    std::uint64_t bytes = 0;
  };
  [[nodiscard]] Extent record(std::uint64_t row) const {
    if (rows.offsets.empty()) return {data_offset + row * image_bytes, image_bytes};
    return {data_offset + rows.offsets[row], rows.offsets[row + 1] - rows.offsets[row]};
  }
};

// Shard `index` of the manifest. Errors name the shard: kMissingInput if it is missing, kData
// for a wrong size, hash, attribute, shape or offset.
[[nodiscard]] OpenShard open_shard(const std::filesystem::path& directory, const Manifest& manifest,
                                   std::uint64_t index);

// The same without HDF5: only size and metadata hash.
[[nodiscard]] PositionedFile open_and_hash_shard(const std::filesystem::path& directory,
                                                 const Manifest& manifest, std::uint64_t index);

}  // namespace valley
