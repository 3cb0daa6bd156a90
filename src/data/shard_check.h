// Opens a shard that a manifest lists and checks it against the manifest, metadata hash first: HDF5
// sees a file only after all of its bytes outside the pixels are known to be those that were
// written.
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

// Shard `index` of the manifest. Errors name the shard: kMissingInput when it is not there, kData
// for a wrong size, hash, attribute, shape or offset.
[[nodiscard]] OpenShard open_shard(const std::filesystem::path& directory, const Manifest& manifest,
                                   std::uint64_t index);

// The same without HDF5: size and metadata hash alone.
[[nodiscard]] PositionedFile open_and_hash_shard(const std::filesystem::path& directory,
                                                 const Manifest& manifest, std::uint64_t index);

}  // namespace valley
