// index.h5: virtual data sets that show all shards as one /images, /labels, /names, /crc32c and
// /orig_size, for h5py and other HDF5 programs. Encoded images, whose place in their shard differs,
// are left out. Valley itself does not read it.
#pragma once

#include <cstddef>
#include <filesystem>

#include "data/manifest.h"

namespace valley {

// Writes `directory`/index.h5 (temporary name, fsync, rename). `name_width` is that of the shards'
// /names.
void write_index_file(const std::filesystem::path& directory, const Manifest& manifest,
                      std::size_t name_width);

}  // namespace valley
