#include "data/chunk_worker.h"

#include <algorithm>
#include <utility>

#include "core/start_threads.h"
#include "data/build_parts.h"
#include "data/shard_writer.h"

namespace valley {

ChunkWorker::ChunkWorker(const ImageSource& source, const BuildOptions& options, std::string writer)
    : source_(source),
      options_(options),
      writer_(std::move(writer)),
      manifest_(new_manifest(source, options)),
      candidate_at_(build_order(source, options)) {
  thread_ = start_thread("decoding chunks", [this] {
    try {
      work();
    } catch (...) {
      const std::lock_guard lock(mutex_);
      failure_ = std::current_exception();
    }
  });
}

ChunkWorker::~ChunkWorker() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  has_work_.notify_all();
  thread_.join();
}

void ChunkWorker::assign(const std::vector<std::uint64_t>& chunks) {
  {
    const std::lock_guard lock(mutex_);
    chunks_.insert(chunks_.end(), chunks.begin(), chunks.end());
  }
  has_work_.notify_all();
}

ChunkWorker::Report ChunkWorker::report() {
  const std::lock_guard lock(mutex_);
  if (failure_) std::rethrow_exception(failure_);
  return {chunks_.size(), decoded_, std::exchange(done_, {})};
}

std::optional<std::uint64_t> ChunkWorker::wait_for_chunk() {
  std::unique_lock lock(mutex_);
  has_work_.wait(lock, [this] { return stopping_ || !chunks_.empty(); });
  if (stopping_) return std::nullopt;
  return chunks_.front();
}

std::optional<std::uint64_t> ChunkWorker::chunk_after_this() {
  const std::lock_guard lock(mutex_);
  if (stopping_ || chunks_.size() < 2) return std::nullopt;
  return chunks_[1];
}

void ChunkWorker::work() {
  while (const std::optional<std::uint64_t> index = wait_for_chunk()) {
    if (name_width_ == 1) name_width_ = longest_name(source_);
    if (!decoder_) begin_decoding(*index);
    write(*index);
  }
  decoder_.reset();
}

// Sources that can only be read from their beginning plan a pass per chunk.
void ChunkWorker::begin_decoding(std::uint64_t index) {
  const Chunk chunk = make_chunk(index, options_.shard_images, source_.size());
  source_.expect_order({candidate_at_, chunk.first, chunk.end});
  decoder_ = std::make_unique<OrderedDecoder>(source_, make_form(options_), candidate_at_,
                                              chunk.first, chunk.end, std::max(1U, options_.jobs));
}

void ChunkWorker::write(std::uint64_t index) {
  Chunk chunk = make_chunk(index, options_.shard_images, source_.size());
  ShardWriter shard(options_.destination, make_header(manifest_, options_, index, chunk.first),
                    chunk.end - chunk.first, name_width_, writer_);
  for (std::uint64_t position = chunk.first; position < chunk.end; ++position) {
    if (stopping_) return;
    Decoded decoded = decoder_->next();
    if (decoded.reject) {
      chunk.rejects.emplace_back(position, *std::move(decoded.reject));
    } else {
      shard.add(decoded, source_.name(decoded.candidate), source_.label(decoded.candidate),
                source_.label_vector(decoded.candidate));
      if (options_.storage.is_encoded()) chunk.sums.push_back(decoded.sums);
    }
    ++decoded_;
  }
  decoder_.reset();
  // The next chunk is decoded while this one is written.
  if (const std::optional<std::uint64_t> next = chunk_after_this()) begin_decoding(*next);
  if (shard.size() > 0) chunk.shard = shard.commit();
  write_chunk_list(options_.destination, chunk, manifest_.dataset_uuid);
  finish(std::move(chunk));
}

void ChunkWorker::finish(Chunk chunk) {
  const std::lock_guard lock(mutex_);
  decoded_ -= chunk.end - chunk.first;
  done_.push_back(std::move(chunk));
  chunks_.pop_front();
}

}  // namespace valley
