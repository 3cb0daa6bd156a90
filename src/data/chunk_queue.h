// Chunks of a build on several ranks, on rank 0: which rank decodes which one, and the decoded
// candidates in build order for the builder.
//
// The builder runs on one thread (`find_earlier`, `open` and the stream), the exchange with the
// other ranks on another (the other members).
#pragma once

#include <condition_variable>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "data/builder.h"
#include "data/chunk_file.h"
#include "data/decoded_stream.h"
#include "data/manifest.h"

namespace valley {

class ChunkQueue {
 public:
  ChunkQueue(int ranks, std::optional<std::uint64_t> max_images)
      : ranks_(ranks), max_images_(max_images.value_or(UINT64_MAX)) {}

  // Complete chunks of an interrupted build, which are used again. Returns the names of their files
  // that must stay.
  [[nodiscard]] std::set<std::string> find_earlier(const std::filesystem::path& directory,
                                                   const Manifest& manifest);
  // Candidates from `position` on. The queue must outlive the stream.
  [[nodiscard]] std::unique_ptr<DecodedStream> open(
      const std::filesystem::path& directory, const Manifest& manifest, std::uint64_t position,
      std::function<std::uint64_t(std::uint64_t)> candidate_at);

  // Adds a chunk that a rank completed.
  void add(Chunk chunk);
  // New chunks for each rank, which has `waiting[rank]` unfinished ones. In growing order, not
  // further ahead of the builder than the ranks need, and none that --max-images leaves out.
  [[nodiscard]] std::vector<std::vector<std::uint64_t>> assign(std::vector<std::size_t> waiting);
  // Candidates, images and rejects of complete chunks and of the build that is resumed; shards that
  // the journal lists.
  [[nodiscard]] BuildProgress progress() const;
  // Makes the stream throw: the exchange ended with an error.
  void stop();

 private:
  class Stream;
  // Chunk `index`, once it is complete.
  [[nodiscard]] Chunk wait_for(std::uint64_t index);
  void journaled(const std::filesystem::path& directory, std::uint64_t position);
  [[nodiscard]] std::uint64_t images_before(std::uint64_t index) const;

  const int ranks_;
  const std::uint64_t max_images_;
  mutable std::mutex mutex_;
  std::condition_variable has_chunk_;
  bool is_open_ = false;
  bool stopping_ = false;
  std::uint64_t shard_images_ = 1;
  std::uint64_t candidates_ = 0;
  std::uint64_t begin_ = 0;            // position at which the stream begins
  std::uint64_t images_at_begin_ = 0;  // stored by earlier builds
  std::uint64_t rejects_at_begin_ = 0;
  std::uint64_t shards_ = 0;
  std::uint64_t next_ = 0;        // first chunk that no rank has
  std::uint64_t wanted_ = 0;      // chunk that the builder reads or waits for
  std::uint64_t first_kept_ = 0;  // chunks before it are removed
  std::map<std::uint64_t, Chunk> done_;
};

}  // namespace valley
