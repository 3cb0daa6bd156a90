// Opens a shard and checks it against the manifest, the metadata hash first: HDF5 opens a file only
// after all bytes outside the pixels have been verified.
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
  ShardRows rows;
};

// Shard `index` of the manifest. Errors name the shard: kMissingInput if it is missing, kData
// for a wrong size, hash, attribute, shape or offset.
[[nodiscard]] OpenShard open_shard(const std::filesystem::path& directory, const Manifest& manifest,
                                   std::uint64_t index);

// The same without HDF5: only size and metadata hash.
[[nodiscard]] PositionedFile open_and_hash_shard(const std::filesystem::path& directory,
                                                 const Manifest& manifest, std::uint64_t index);

}  // namespace valley
