#include "app/sample/many/draw.h"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>
#include <nlohmann/json.hpp>
#include <thread>
#include <utility>
#include <vector>

#include "core/error.h"
#include "core/json_text.h"
#include "core/start_threads.h"
#include "kernels/threads.h"

namespace valley::app {
namespace {

// Writes blocks on threads of its own.
class BlockWriters {
 public:
  BlockWriters(const BlockFiles& files, int threads)
      : files_(files), limit_(static_cast<std::size_t>(threads)) {
    if (start_threads(threads_, limit_, [this] { work(); }) == 0)
      throw no_thread_left("writing samples");
  }
  ~BlockWriters() { stop(); }
  BlockWriters(const BlockWriters&) = delete;
  BlockWriters& operator=(const BlockWriters&) = delete;

  // Waits while too many blocks wait. Rethrows an exception of a thread.
  void add(std::uint64_t block, at::Tensor pixels) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return failure_ || waiting_.size() < limit_; });
    if (failure_) std::rethrow_exception(failure_);
    waiting_.emplace_back(block, std::move(pixels));
    changed_.notify_all();
  }
  // Waits for all blocks. Rethrows an exception of a thread.
  void finish() {
    stop();
    if (failure_) std::rethrow_exception(failure_);
  }

 private:
  void stop() {
    {
      const std::lock_guard lock(mutex_);
      is_ending_ = true;
    }
    changed_.notify_all();
    for (std::thread& thread : threads_)
      if (thread.joinable()) thread.join();
  }
  void work() {
    while (true) {
      std::pair<std::uint64_t, at::Tensor> next;
      {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [this] { return failure_ || is_ending_ || !waiting_.empty(); });
        if (failure_ || waiting_.empty()) return;
        next = std::move(waiting_.front());
        waiting_.pop_front();
      }
      changed_.notify_all();
      try {
        files_.write(next.first, next.second);
      } catch (...) {
        const std::lock_guard lock(mutex_);
        if (!failure_) failure_ = std::current_exception();
      }
      changed_.notify_all();
    }
  }

  const BlockFiles& files_;
  const std::size_t limit_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::pair<std::uint64_t, at::Tensor>> waiting_;
  bool is_ending_ = false;
  std::exception_ptr failure_;
  std::vector<std::thread> threads_;
};

// Collective: the blocks that lack a file, in order. Every rank looks at a share of them.
std::vector<std::uint64_t> find_missing(World& world, const Team& team, const SeedBlocks& blocks,
                                        const BlockFiles& files) {
  const Share share = team.share(static_cast<std::int64_t>(blocks.blocks()));
  std::vector<char> is_there(static_cast<std::size_t>(share.count()));
  for_each_unit(team, "looking for earlier samples", share, [&](std::int64_t i) {
    is_there[static_cast<std::size_t>(i - share.first)] =
        files.has(blocks.first_block() + static_cast<std::uint64_t>(i)) ? 1 : 0;
  });
  nlohmann::json own = nlohmann::json::array();
  for (std::int64_t i = share.first; i < share.last; ++i)
    if (is_there[static_cast<std::size_t>(i - share.first)] == 0)
      own.push_back(blocks.first_block() + static_cast<std::uint64_t>(i));
  std::vector<std::uint64_t> missing;
  for (const std::string& text : world.gather(write_json(own))) {
    const auto part = parse_json(text, "a rank's list").get<std::vector<std::uint64_t>>();
    missing.insert(missing.end(), part.begin(), part.end());
  }
  return missing;
}

}  // namespace

std::uint64_t draw_missing_blocks(World& world, const Team& team, const SampleSource& source,
                                  const SeedBlocks& blocks, const BlockFiles& files) {
  constexpr const char* kTask = "drawing samples";
  const std::vector<std::uint64_t> missing = find_missing(world, team, blocks, files);
  std::uint64_t kept = blocks.count;
  for (const std::uint64_t b : missing) kept -= blocks.end_of(b) - blocks.begin_of(b);
  const Share share = team.share(static_cast<std::int64_t>(missing.size()));
  const auto draw = [&](std::uint64_t b) {
    return source.pixels(b * blocks.size, static_cast<std::int64_t>(blocks.size));
  };
  if (source.device().is_cuda()) {
    BlockWriters writers(files, team.threads);
    for_each_unit_in_order(team, kTask, share, [&](std::int64_t i) {
      const std::uint64_t b = missing[static_cast<std::size_t>(i)];
      writers.add(b, draw(b));
    });
    writers.finish();
  } else {
    for_each_unit(team, kTask, share, [&](std::int64_t i) {
      const std::uint64_t b = missing[static_cast<std::size_t>(i)];
      files.write(b, draw(b));
    });
  }
  return kept;
}

}  // namespace valley::app
