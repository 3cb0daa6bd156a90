#include "data/shard_check.h"

#include <fmt/ranges.h>

#include <string>
#include <utility>
#include <vector>

#include "core/error.h"
#include "data/record_decoder.h"

namespace valley {
namespace {

void check_header(const std::filesystem::path& path, const Manifest& manifest,
                  const ShardEntry& entry, std::uint64_t index, const ShardContents& contents) {
  const auto require_equal = [&path](const char* what, auto found, auto expected) {
    if (found == expected) return;
    throw Error(ExitCode::kData, "{}: its {} is {}, but the manifest says {}", path.string(), what,
                found, expected);
  };
  const ShardHeader& header = contents.header;
  require_equal("dataset_uuid", header.dataset_uuid, manifest.dataset_uuid);
  require_equal("shard_index", header.shard_index, index);
  require_equal("global_offset", header.global_offset, entry.global_offset);
  require_equal("height", header.height, manifest.height);
  require_equal("width", header.width, manifest.width);
  require_equal("number of channels", header.channels, manifest.channels);
  const auto joined = [](const std::vector<std::string>& names) {
    return fmt::format("{}", fmt::join(names, ", "));
  };
  require_equal("list of label vectors", joined(header.label_vector_names),
                joined(manifest.label_vector_names));
  require_equal("storage", storage_name(header.storage), storage_name(manifest.form.storage));
  require_equal("data offset", contents.data_offset, entry.data_offset);
  require_equal("size of the records", contents.data_bytes, entry.data_bytes);
}

void check_records(const std::filesystem::path& path, const Manifest& manifest,
                   const ShardRows& rows) {
  const std::uint64_t limit = max_record_bytes(manifest.form);
  for (std::uint64_t row = 0; row + 1 < rows.offsets.size(); ++row) {
    const std::uint64_t bytes = rows.offsets[row + 1] - rows.offsets[row];
    if (bytes > limit)
      throw Error(ExitCode::kData, "{} row {}: its record has {} bytes, but at most {} are allowed",
                  path.string(), row, bytes, limit);
  }
}

}  // namespace

PositionedFile open_and_hash_shard(const std::filesystem::path& directory, const Manifest& manifest,
                                   std::uint64_t index) {
  const ShardEntry& entry = manifest.shards[index];
  const std::filesystem::path path = directory / entry.file;
  PositionedFile file = PositionedFile::open_to_read(path);
  const std::uint64_t bytes = file.size();
  if (bytes != entry.bytes)
    throw Error(ExitCode::kData, "{} has {} bytes, but the manifest says {}: {}", path.string(),
                bytes, entry.bytes, bytes < entry.bytes ? "truncated?" : "another file?");
  const std::string hash = hash_outside(file, entry.data_offset, entry.data_bytes);
  if (hash != entry.meta_sha256)
    throw Error(ExitCode::kData,
                "{}: the SHA-256 of its metadata (all bytes outside the pixels) is {}..., but the "
                "manifest says {}...: the file is damaged or belongs to another build",
                path.string(), hash.substr(0, 12), entry.meta_sha256.substr(0, 12));
  return file;
}

OpenShard open_shard(const std::filesystem::path& directory, const Manifest& manifest,
                     std::uint64_t index) {
  const ShardEntry& entry = manifest.shards[index];
  PositionedFile file = open_and_hash_shard(directory, manifest, index);
  ShardContents contents = read_shard_file(file.path(), entry.images);
  check_header(file.path(), manifest, entry, index, contents);
  check_records(file.path(), manifest, contents.rows);
  return {std::move(file), entry.data_offset, manifest.image_bytes(), std::move(contents.rows)};
}

}  // namespace valley
