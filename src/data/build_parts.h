// Parts that builders of one data set share, in one process and on several ranks: the order of
// candidates, the first manifest and the attributes of each shard.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

#include "data/builder.h"
#include "data/manifest.h"
#include "data/shard_file.h"
#include "data/storage.h"

namespace valley {

[[nodiscard]] std::string writer_version();

// Position in build order -> index in the source.
[[nodiscard]] std::function<std::uint64_t(std::uint64_t)> build_order(const ImageSource& source,
                                                                      const BuildOptions& options);

// The manifest of a build before its first shard.
[[nodiscard]] Manifest new_manifest(const ImageSource& source, const BuildOptions& options);

// Attributes of shard `index`, whose first image is number `global_offset` of the data set.
[[nodiscard]] ShardHeader make_header(const Manifest& manifest, const BuildOptions& options,
                                      std::uint64_t index, std::uint64_t global_offset);

[[nodiscard]] ImageForm make_form(const BuildOptions& options);

// Bytes of the longest name, at least 1.
[[nodiscard]] std::size_t longest_name(const ImageSource& source);

}  // namespace valley
