#include "tools/parallel_images.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#include "core/start_threads.h"

namespace valley {
namespace {

// The exception of the smallest index.
class FirstFailure {
 public:
  void keep(std::uint64_t index, std::exception_ptr failure) {
    const std::lock_guard lock(mutex_);
    if (failure_ && index > index_) return;
    index_ = index;
    failure_ = std::move(failure);
  }
  void rethrow() const {
    if (failure_) std::rethrow_exception(failure_);
  }

 private:
  std::mutex mutex_;
  std::uint64_t index_ = 0;
  std::exception_ptr failure_;
};

}  // namespace

void for_each_image(unsigned jobs, std::uint64_t count,
                    const std::function<void(std::uint64_t)>& work) {
  std::atomic<std::uint64_t> next = 0;
  std::atomic<bool> stop = false;
  FirstFailure failure;
  const auto body = [&] {
    while (!stop) {
      const std::uint64_t i = next++;
      if (i >= count) return;
      try {
        work(i);
      } catch (...) {
        failure.keep(i, std::current_exception());
        stop = true;
      }
    }
  };
  {
    // The calling thread works too, so fewer threads than asked for only take longer.
    std::vector<std::jthread> threads;
    const std::uint64_t helpers = std::min<std::uint64_t>(jobs, count);
    if (helpers > 1) start_threads(threads, helpers - 1, body);
    body();
  }
  failure.rethrow();
}

void for_each_in_order(unsigned jobs, std::uint64_t count, std::uint64_t slots,
                       const std::function<void(std::uint64_t, std::uint64_t)>& prepare,
                       const std::function<void(std::uint64_t, std::uint64_t)>& take) {
  for (std::uint64_t first = 0; first < count; first += slots) {
    const std::uint64_t n = std::min(slots, count - first);
    for_each_image(jobs, n, [&](std::uint64_t slot) { prepare(first + slot, slot); });
    for (std::uint64_t slot = 0; slot < n; ++slot) take(first + slot, slot);
  }
}

}  // namespace valley
