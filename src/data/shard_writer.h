// Writes one shard under a temporary name and commits it: rows, `complete`, fsync, rename.
//
// A chunk of a build on several ranks (chunk_file.h) is a shard file whose final name is temporary
// too; its name while it is written contains host and process, so that no other writer shares it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "data/decoded_stream.h"
#include "data/manifest.h"
#include "data/pixel_sums.h"
#include "data/positioned_file.h"
#include "data/shard_file.h"

namespace valley {

class ShardWriter {
 public:
  // In `directory`, for up to `capacity` images. Encoded records, whose total size is unknown, go
  // to a temporary file first. Errors of all members: kCannotWrite or kIo. `chunk_writer` is empty
  // for shards; for chunks, a part of the temporary name that no other process has.
  ShardWriter(std::filesystem::path directory, ShardHeader header, std::uint64_t capacity,
              std::size_t name_width, std::string chunk_writer = "");
  ~ShardWriter();  // without a commit, removes the temporary file
  ShardWriter(const ShardWriter&) = delete;
  ShardWriter& operator=(const ShardWriter&) = delete;

  // `label_vector`: as many values as the header has names.
  void add(const Decoded& image, std::string_view name, std::int64_t label,
           std::span<const float> label_vector);
  [[nodiscard]] std::uint64_t size() const { return rows_.size(); }
  [[nodiscard]] bool is_full() const { return size() == capacity_; }

  // Requires at least one image. The bytes of a shard that is not full equal those of a shard of
  // that capacity.
  [[nodiscard]] ShardEntry commit();

 private:
  [[nodiscard]] std::filesystem::path temporary(std::string_view suffix) const;
  // Replaces the file by a shard of size() images with the same records.
  void copy_to_final_size();
  std::filesystem::path directory_;
  ShardHeader header_;
  std::uint64_t capacity_;
  std::uint64_t record_bytes_ = 0;  // of all records so far
  std::string chunk_writer_;
  std::filesystem::path temporary_;
  ShardRows rows_;
  ShardEntry entry_;
  PixelSums sums_;
  std::optional<PositionedFile> file_;  // the shard, or encoded records alone
};

}  // namespace valley
