// The last step of a build: totals over the committed shards, index.h5, the complete manifest and
// SHA256SUMS. Repeating it gives the same bytes.
#pragma once

#include <cstddef>
#include <filesystem>
#include <map>
#include <string>

#include "data/manifest.h"

namespace valley {

// Reads every shard's rows (checking its metadata hash) and fills fingerprint, class histogram,
// mean and deviation; then writes index.h5, manifest.json with state "complete" and SHA256SUMS.
void finish_dataset(const std::filesystem::path& directory, Manifest& manifest);

// "name" -> SHA-256 from SHA256SUMS. Error kData naming a line that is not in the format of
// sha256sum.
[[nodiscard]] std::map<std::string, std::string> read_sums(const std::filesystem::path& directory);

}  // namespace valley
