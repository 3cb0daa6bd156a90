// Decodes the chunks that this rank was assigned, on a thread of its own with options.jobs decoding
// threads, and writes each one to the data-set directory (chunk_file.h).
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "data/builder.h"
#include "data/chunk_file.h"
#include "data/manifest.h"
#include "data/ordered_decoder.h"

namespace valley {

class ChunkWorker {
 public:
  // Source and options must outlive this. `writer` is a name that no other process of the job has.
  ChunkWorker(const ImageSource& source, const BuildOptions& options, std::string writer);
  ~ChunkWorker();  // drops the chunk that is being decoded
  ChunkWorker(const ChunkWorker&) = delete;
  ChunkWorker& operator=(const ChunkWorker&) = delete;

  void assign(const std::vector<std::uint64_t>& chunks);

  struct Report {
    std::size_t waiting = 0;    // assigned chunks that are not finished
    std::uint64_t decoded = 0;  // candidates of these
    std::vector<Chunk> done;    // since the last report
  };
  // Rethrows an exception of the thread.
  [[nodiscard]] Report report();
  [[nodiscard]] const std::string& uuid() const { return manifest_.dataset_uuid; }

 private:
  void work();
  [[nodiscard]] std::optional<std::uint64_t> wait_for_chunk();
  [[nodiscard]] std::optional<std::uint64_t> chunk_after_this();
  void begin_decoding(std::uint64_t index);
  void write(std::uint64_t index);
  void finish(Chunk chunk);

  const ImageSource& source_;
  const BuildOptions& options_;
  const std::string writer_;
  const Manifest manifest_;
  const std::function<std::uint64_t(std::uint64_t)> candidate_at_;
  std::size_t name_width_ = 1;
  std::unique_ptr<OrderedDecoder> decoder_;
  std::atomic<std::uint64_t> decoded_ = 0;
  std::atomic<bool> stopping_ = false;

  std::mutex mutex_;
  std::condition_variable has_work_;
  std::deque<std::uint64_t> chunks_;  // the first is being decoded
  std::vector<Chunk> done_;
  std::exception_ptr failure_;
  std::thread thread_;
};

}  // namespace valley
