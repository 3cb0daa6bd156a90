#include "data/chunk_file.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <span>

#include "core/atomic_file.h"
#include "core/error.h"
#include "core/file_type.h"
#include "core/hash.h"
#include "core/json_text.h"
#include "core/read_file.h"
#include "data/json_fields.h"
#include "data/shard_entry_json.h"
#include "data/shard_file.h"

namespace valley {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

std::string chunk_list_name(std::uint64_t index) {
  return fmt::format(".{}.done.json.tmp", shard_file_name(index));
}

// The chunk's file as the shard of a manifest, which makes it readable like any shard.
Manifest manifest_of(const Manifest& manifest, const Chunk& chunk) {
  Manifest one = manifest;
  one.shards.clear();
  one.shards.resize(chunk.index);
  one.shards.push_back(*chunk.shard);
  return one;
}

// False for a chunk whose file is missing, too short or has other metadata.
bool is_whole(const fs::path& directory, const Manifest& manifest, const Chunk& chunk) {
  if (!chunk.shard) return true;
  try {
    static_cast<void>(open_shard(directory, manifest_of(manifest, chunk), chunk.index));
    return true;
  } catch (const Error& error) {
    if (error.code() != ExitCode::kData && error.code() != ExitCode::kMissingInput) throw;
    return false;
  }
}

}  // namespace

std::uint64_t Chunk::images_from(std::uint64_t position) const {
  const std::uint64_t begin = std::clamp(position, first, end);
  const auto rejected =
      std::ranges::count_if(rejects, [begin](const auto& reject) { return reject.first >= begin; });
  return end - begin - static_cast<std::uint64_t>(rejected);
}

Chunk make_chunk(std::uint64_t index, std::uint64_t shard_images, std::uint64_t candidates) {
  Chunk chunk;
  chunk.index = index;
  chunk.first = std::min(candidates, index * shard_images);
  chunk.end = std::min(candidates, chunk.first + shard_images);
  return chunk;
}

std::string to_json(const Chunk& chunk, const std::string& uuid) {
  nlohmann::ordered_json rejects = nlohmann::ordered_json::array();
  for (const auto& [position, reject] : chunk.rejects)
    rejects.push_back(
        {{"position", position}, {"reason", reject.reason}, {"detail", reject.detail}});
  nlohmann::ordered_json root = {{"dataset_uuid", uuid}, {"index", chunk.index},
                                 {"first", chunk.first}, {"end", chunk.end},
                                 {"rejects", rejects},   {"shards", json::array()}};
  if (chunk.shard) root["shards"].push_back(entry_to_json(*chunk.shard, true));
  root["sums"] = json::array();
  for (const PixelSums& sums : chunk.sums)
    for (const auto& values : {sums.sum, sums.sum_squares})
      for (const std::uint64_t value : values) root["sums"].push_back(value);
  return write_json(root);
}

std::optional<Chunk> parse_chunk(const std::string& text, const std::string& uuid,
                                 const std::string& name) {
  const json parsed = parse_json(text, name);
  const JsonFields root(parsed, name, "");
  if (root.text("dataset_uuid") != uuid) return std::nullopt;
  Chunk chunk;
  chunk.index = root.count("index");
  chunk.first = root.count("first");
  chunk.end = root.count("end");
  for (const json& reject : root.list("rejects")) {
    const JsonFields fields(reject, name, "rejects");
    chunk.rejects.emplace_back(fields.count("position"),
                               Reject{fields.text("reason"), fields.text("detail")});
  }
  for (const json& shard : root.list("shards"))
    chunk.shard = entry_from_json(JsonFields(shard, name, "shards"), true);
  const std::vector<std::uint64_t> sums = root.counts("sums");
  for (std::size_t i = 0; i + 6 <= sums.size(); i += 6)
    chunk.sums.push_back(
        {{sums[i], sums[i + 1], sums[i + 2]}, {sums[i + 3], sums[i + 4], sums[i + 5]}});
  if (chunk.end < chunk.first || chunk.rejects.size() > chunk.end - chunk.first ||
      chunk.images_from(chunk.first) != (chunk.shard ? chunk.shard->images : 0))
    root.fail("end", "the end of the images and rejects that are listed");
  if (!chunk.sums.empty() && chunk.sums.size() != chunk.images_from(chunk.first))
    root.fail("sums", "six numbers per image");
  return chunk;
}

void write_chunk_list(const fs::path& directory, const Chunk& chunk, const std::string& uuid) {
  write_file(directory / chunk_list_name(chunk.index), to_json(chunk, uuid) + "\n");
}

std::vector<Chunk> find_chunks(const fs::path& directory, const Manifest& manifest) {
  std::vector<Chunk> chunks;
  const std::uint64_t count =
      (manifest.candidates + manifest.shard_images - 1) / manifest.shard_images;
  for (std::uint64_t index = 0; index < count; ++index) {
    const fs::path path = directory / chunk_list_name(index);
    if (!is_there(path)) continue;
    try {
      const Chunk expected = make_chunk(index, manifest.shard_images, manifest.candidates);
      std::optional<Chunk> chunk =
          parse_chunk(read_file(path), manifest.dataset_uuid, path.string());
      if (chunk && chunk->index == index && chunk->first == expected.first &&
          chunk->end == expected.end && is_whole(directory, manifest, *chunk))
        chunks.push_back(*std::move(chunk));
    } catch (const Error& error) {
      if (error.code() != ExitCode::kData) throw;
    }
  }
  return chunks;
}

std::vector<std::string> chunk_files(std::uint64_t index) {
  return {chunk_list_name(index), chunk_file_name(index)};
}

void remove_chunk(const fs::path& directory, std::uint64_t index) {
  std::error_code ignored;
  for (const std::string& name : chunk_files(index)) fs::remove(directory / name, ignored);
}

ShardEntry rename_to_shard(const fs::path& directory, const Chunk& chunk) {
  ShardEntry entry = *chunk.shard;
  entry.file = shard_file_name(chunk.index);
  std::error_code status;
  fs::rename(directory / chunk_file_name(chunk.index), directory / entry.file, status);
  if (status)
    throw file_error("finishing", (directory / entry.file).string(), status.value(), true);
  sync_directory(directory);
  return entry;
}

ChunkReader::ChunkReader(const fs::path& directory, const Manifest& manifest, Chunk chunk,
                         std::uint64_t position)
    : chunk_(std::move(chunk)), channels_(manifest.channels), position_(chunk_.first) {
  if (chunk_.shard) shard_ = open_shard(directory, manifest_of(manifest, chunk_), chunk_.index);
  for (; position_ < position; ++position_) {
    if (next_reject_ < chunk_.rejects.size() && chunk_.rejects[next_reject_].first == position_)
      ++next_reject_;
    else
      ++row_;
  }
}

Decoded ChunkReader::next() {
  VALLEY_CHECK(!at_end());
  Decoded decoded;
  if (next_reject_ < chunk_.rejects.size() && chunk_.rejects[next_reject_].first == position_) {
    decoded.reject = std::move(chunk_.rejects[next_reject_].second);
    ++next_reject_;
    ++position_;
    return decoded;
  }
  const auto [offset, bytes] = shard_->record(row_);
  decoded.record.resize(bytes);
  const auto record = std::as_writable_bytes(std::span(decoded.record));
  shard_->file.read_at(offset, record);
  decoded.crc32c = crc32c(record);
  if (decoded.crc32c != shard_->rows.crc32c[row_])
    throw Error(ExitCode::kData,
                "{} row {}: its record does not match its CRC32C, so storage damaged it after it "
                "was written; remove the file, then continue with --resume",
                shard_->file.path().string(), row_);
  if (chunk_.sums.empty())
    decoded.sums.add(record, channels_);
  else
    decoded.sums = chunk_.sums.at(row_);
  if (!shard_->rows.codecs.empty()) decoded.codec = shard_->rows.codecs[row_];
  decoded.orig_size = shard_->rows.orig_size[row_];
  ++row_;
  ++position_;
  return decoded;
}

}  // namespace valley
