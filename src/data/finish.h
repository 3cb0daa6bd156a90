// The last step of a build: totals over the committed shards, index.h5, the complete manifest and
// SHA256SUMS. Repeating it gives the same bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "data/manifest.h"
#include "data/shard_file.h"

namespace valley {

// Reads every shard's rows (checking its metadata hash) and fills fingerprint, class histogram,
// mean and deviation; then writes index.h5, manifest.json with state "complete" and SHA256SUMS.
void finish_dataset(const std::filesystem::path& directory, Manifest& manifest);

// Sums of each value of the label vectors over images, in their order; call per shard.
void add_label_vectors(std::vector<double>& sums, const ShardRows& rows);

[[nodiscard]] std::vector<double> means_of(std::vector<double> sums, std::uint64_t images);

// "name" -> SHA-256 from SHA256SUMS. Error kData naming a line that is not in the format of
// sha256sum.
[[nodiscard]] std::map<std::string, std::string> read_sums(const std::filesystem::path& directory);

}  // namespace valley
