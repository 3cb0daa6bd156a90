#include "data/chunk_queue.h"

#include <algorithm>
#include <utility>

#include "core/error.h"

namespace valley {
namespace {

// Chunks of one rank: one is decoded, the next one is known, so that its decoding begins while the
// first one is written.
constexpr std::size_t kChunksPerRank = 2;
// Limits the disk space of chunks that wait for an earlier one.
constexpr std::uint64_t kAheadPerRank = 4;

}  // namespace

class ChunkQueue::Stream final : public DecodedStream {
 public:
  Stream(ChunkQueue& queue, std::filesystem::path directory, Manifest manifest,
         std::uint64_t position, std::function<std::uint64_t(std::uint64_t)> candidate_at)
      : queue_(queue),
        directory_(std::move(directory)),
        manifest_(std::move(manifest)),
        position_(position),
        candidate_at_(std::move(candidate_at)) {
    manifest_.shards.clear();
  }

  [[nodiscard]] Decoded next() override {
    if (!reader_ || reader_->at_end())
      reader_.emplace(directory_, manifest_, queue_.wait_for(position_ / manifest_.shard_images),
                      position_);
    Decoded decoded = reader_->next();
    decoded.candidate = candidate_at_(position_++);
    return decoded;
  }

  [[nodiscard]] std::optional<ShardEntry> take_shard(std::uint64_t index,
                                                     std::uint64_t images) override {
    if (position_ != index * manifest_.shard_images) return std::nullopt;
    const Chunk chunk = queue_.wait_for(index);
    if (!chunk.rejects.empty() || chunk.images_from(position_) != images) return std::nullopt;
    position_ += images;
    return rename_to_shard(directory_, chunk);
  }

  void journaled(std::uint64_t position) override { queue_.journaled(directory_, position); }

 private:
  ChunkQueue& queue_;
  std::filesystem::path directory_;
  Manifest manifest_;  // without shards
  std::uint64_t position_;
  std::function<std::uint64_t(std::uint64_t)> candidate_at_;
  std::optional<ChunkReader> reader_;
};

std::set<std::string> ChunkQueue::find_earlier(const std::filesystem::path& directory,
                                               const Manifest& manifest) {
  std::set<std::string> files;
  for (Chunk& chunk : find_chunks(directory, manifest)) {
    if (chunk.end <= manifest.next_candidate) continue;
    for (std::string& name : chunk_files(chunk.index)) files.insert(std::move(name));
    add(std::move(chunk));
  }
  return files;
}

std::unique_ptr<DecodedStream> ChunkQueue::open(
    const std::filesystem::path& directory, const Manifest& manifest, std::uint64_t position,
    std::function<std::uint64_t(std::uint64_t)> candidate_at) {
  const std::lock_guard lock(mutex_);
  shard_images_ = manifest.shard_images;
  candidates_ = manifest.candidates;
  begin_ = position;
  images_at_begin_ = manifest.images;
  rejects_at_begin_ = manifest.reject_count();
  shards_ = manifest.shards.size();
  next_ = wanted_ = first_kept_ = position / shard_images_;
  is_open_ = true;
  return std::make_unique<Stream>(*this, directory, manifest, position, std::move(candidate_at));
}

void ChunkQueue::add(Chunk chunk) {
  {
    const std::lock_guard lock(mutex_);
    const std::uint64_t index = chunk.index;
    done_.insert_or_assign(index, std::move(chunk));
  }
  has_chunk_.notify_all();
}

Chunk ChunkQueue::wait_for(std::uint64_t index) {
  std::unique_lock lock(mutex_);
  wanted_ = index;
  has_chunk_.wait(lock, [&] { return stopping_ || done_.contains(index); });
  if (stopping_) throw Error(ExitCode::kStoppedEarly, "the build was stopped");
  return done_.at(index);
}

void ChunkQueue::journaled(const std::filesystem::path& directory, std::uint64_t position) {
  std::uint64_t first = 0;
  std::uint64_t end = 0;
  {
    const std::lock_guard lock(mutex_);
    ++shards_;
    first = first_kept_;
    end = first_kept_ = std::max(first, position / shard_images_);
  }
  for (; first < end; ++first) remove_chunk(directory, first);
}

// Images of the data set from candidates before chunk `index`, at most.
std::uint64_t ChunkQueue::images_before(std::uint64_t index) const {
  std::uint64_t images = images_at_begin_;
  for (std::uint64_t i = begin_ / shard_images_; i < index; ++i) {
    const auto found = done_.find(i);
    images += found != done_.end() ? found->second.images_from(begin_)
                                   : make_chunk(i, shard_images_, candidates_).images_from(begin_);
  }
  return images;
}

std::vector<std::vector<std::uint64_t>> ChunkQueue::assign(std::vector<std::size_t> waiting) {
  std::vector<std::vector<std::uint64_t>> chunks(waiting.size());
  const std::lock_guard lock(mutex_);
  if (!is_open_) return chunks;
  const std::uint64_t end = (candidates_ + shard_images_ - 1) / shard_images_;
  const std::uint64_t ahead = wanted_ + kAheadPerRank * static_cast<std::uint64_t>(ranks_);
  while (next_ < std::min(end, ahead)) {
    if (done_.contains(next_)) {
      ++next_;
      continue;
    }
    const auto least = std::ranges::min_element(waiting);
    if (*least >= kChunksPerRank || images_before(next_) >= max_images_) break;
    chunks[static_cast<std::size_t>(least - waiting.begin())].push_back(next_++);
    ++*least;
  }
  return chunks;
}

BuildProgress ChunkQueue::progress() const {
  const std::lock_guard lock(mutex_);
  BuildProgress progress;
  progress.candidates = candidates_;
  progress.candidates_done = begin_;
  progress.images = images_at_begin_;
  progress.rejects = rejects_at_begin_;
  progress.shards = shards_;
  for (const auto& [index, chunk] : done_) {
    const std::uint64_t done = chunk.end - std::max(begin_, chunk.first);
    progress.candidates_done += done;
    progress.images += chunk.images_from(begin_);
    progress.rejects += done - chunk.images_from(begin_);
  }
  return progress;
}

void ChunkQueue::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  has_chunk_.notify_all();
}

}  // namespace valley
