#include "evaluate/blocks.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#include "core/error.h"

namespace valley {
namespace {

// The units of one rank, handed out to whichever thread asks next.
class Queue {
 public:
  Queue(const Team& team, const std::string& doing, const Share& share,
        const std::function<void(std::int64_t)>& work)
      : team_(team), doing_(doing), share_(share), work_(work), next_(share.first) {}

  void run() noexcept {
    try {
      while (!failed_) {
        const std::int64_t unit = next_++;
        if (unit >= share_.last) return;
        work_(unit);
        const std::int64_t done = ++done_;
        if (team_.progress && !doing_.empty())
          team_.progress(doing_, static_cast<double>(done) / static_cast<double>(share_.count()));
      }
    } catch (...) {
      const std::scoped_lock lock(mutex_);
      if (!error_) error_ = std::current_exception();
      failed_ = true;
    }
  }

  void rethrow() const {
    if (error_) std::rethrow_exception(error_);
  }

 private:
  const Team& team_;
  const std::string& doing_;
  Share share_;
  const std::function<void(std::int64_t)>& work_;
  std::atomic<std::int64_t> next_;
  std::atomic<std::int64_t> done_ = 0;
  std::atomic<bool> failed_ = false;
  std::mutex mutex_;
  std::exception_ptr error_;
};

}  // namespace

Share share_of(std::int64_t units, int rank, int size) {
  const std::int64_t each = (units + size - 1) / size;
  return {std::min(units, rank * each), std::min(units, (rank + 1) * each)};
}

void for_each_unit(const Team& team, const std::string& doing, const Share& share,
                   const std::function<void(std::int64_t)>& work) {
  Queue queue(team, doing, share, work);
  const std::int64_t helpers = std::min<std::int64_t>(team.threads, share.count()) - 1;
  std::vector<std::jthread> threads;
  for (std::int64_t i = 0; i < helpers; ++i) {
    threads.emplace_back([&queue] {
      // What OpenMP would start from here is decided by each thread for itself.
      at::set_num_threads(1);
      queue.run();
    });
  }
  queue.run();
  threads.clear();
  queue.rethrow();
}

void for_each_unit_in_order(const Team& team, const std::string& doing, const Share& share,
                            const std::function<void(std::int64_t)>& work) {
  Queue queue(team, doing, share, work);
  queue.run();
  queue.rethrow();
}

at::Tensor gather_rows(const Team& team, const at::Tensor& own, std::int64_t unit_rows,
                       std::int64_t rows) {
  if (team.ranks->size() == 1) return own;
  const std::int64_t units = (rows + unit_rows - 1) / unit_rows;
  const std::int64_t most = share_of(units, 0, team.ranks->size()).last * unit_rows;
  std::vector<std::int64_t> shape = own.sizes().vec();
  VALLEY_CHECK(shape[0] <= most);
  shape[0] = most;
  at::Tensor padded = own;
  if (own.size(0) < most) {
    padded = at::zeros(shape, own.options());
    padded.narrow(0, 0, own.size(0)).copy_(own);
  }
  shape.insert(shape.begin(), team.ranks->size());
  const at::Tensor all = at::empty(shape, own.options());
  team.ranks->all_gather(padded, all)->wait();
  return all.flatten(0, 1).narrow(0, 0, rows).contiguous();
}

std::int64_t blocks_of(std::int64_t images) { return (images + kBlockImages - 1) / kBlockImages; }

std::int64_t images_in_block(std::int64_t images, std::int64_t block) {
  return std::min(kBlockImages, images - block * kBlockImages);
}

}  // namespace valley
