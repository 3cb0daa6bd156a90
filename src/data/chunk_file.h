// A chunk of a build on several ranks: chunk k has the candidates at `shard_images` consecutive
// positions from k * shard_images on, decoded by one rank. Its images are in a shard file with a
// temporary name (chunk_file_name); its rejects and the shard's entry are in a small JSON file,
// which is written last and makes the chunk complete.
//
// If no candidate before it is rejected, chunk k is shard k.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "data/decoded_stream.h"
#include "data/manifest.h"
#include "data/pixel_sums.h"
#include "data/shard_check.h"

namespace valley {

struct Chunk {
  std::uint64_t index = 0;
  std::uint64_t first = 0;  // position
  std::uint64_t end = 0;
  std::optional<ShardEntry> shard;                        // absent if all candidates are rejected
  std::vector<std::pair<std::uint64_t, Reject>> rejects;  // position, in growing order
  std::vector<PixelSums> sums;  // per image, of encoded storage, whose pixels are not at hand

  // Candidates at positions from `position` on that are not rejected.
  [[nodiscard]] std::uint64_t images_from(std::uint64_t position) const;
};

// Positions of chunk `index`, without images and rejects.
[[nodiscard]] Chunk make_chunk(std::uint64_t index, std::uint64_t shard_images,
                               std::uint64_t candidates);

// `uuid`: the dataset_uuid of the build.
[[nodiscard]] std::string to_json(const Chunk& chunk, const std::string& uuid);
// A chunk of the build `uuid`; absent for one of another build. Error kData for other text; `name`
// is for messages.
[[nodiscard]] std::optional<Chunk> parse_chunk(const std::string& text, const std::string& uuid,
                                               const std::string& name);

void write_chunk_list(const std::filesystem::path& directory, const Chunk& chunk,
                      const std::string& uuid);
// All complete chunks of the build with this manifest that an interrupted job left in `directory`.
// Damaged ones are left out.
[[nodiscard]] std::vector<Chunk> find_chunks(const std::filesystem::path& directory,
                                             const Manifest& manifest);
// Names of the files of a chunk.
[[nodiscard]] std::vector<std::string> chunk_files(std::uint64_t index);
// Removes them, as far as they are there.
void remove_chunk(const std::filesystem::path& directory, std::uint64_t index);

// Gives the file of a chunk the name of shard `chunk.index`.
[[nodiscard]] ShardEntry rename_to_shard(const std::filesystem::path& directory,
                                         const Chunk& chunk);

// Reads the candidates of a chunk in order. Records are compared with their CRC32C: Error kData.
class ChunkReader {
 public:
  // From `position` on.
  ChunkReader(const std::filesystem::path& directory, const Manifest& manifest, Chunk chunk,
              std::uint64_t position);
  [[nodiscard]] const Chunk& chunk() const { return chunk_; }
  [[nodiscard]] bool at_end() const { return position_ == chunk_.end; }
  [[nodiscard]] Decoded next();  // without Decoded::candidate

 private:
  Chunk chunk_;
  std::int64_t channels_;
  std::uint64_t position_;
  std::size_t next_reject_ = 0;
  std::uint64_t row_ = 0;
  std::optional<OpenShard> shard_;
};

}  // namespace valley
