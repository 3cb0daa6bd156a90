#include "kernels/threads.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#include "core/start_threads.h"

namespace valley {

SingleThreaded::SingleThreaded() : before_(at::get_num_threads()) { at::set_num_threads(1); }

SingleThreaded::~SingleThreaded() { at::set_num_threads(before_); }

void for_each_on_threads(std::int64_t first, std::int64_t last, std::int64_t threads,
                         const std::function<void(std::int64_t)>& work) {
  std::atomic<std::int64_t> next = first;
  std::atomic<bool> failed = false;
  std::mutex mutex;
  std::exception_ptr error;
  const auto run = [&]() noexcept {
    try {
      while (!failed) {
        const std::int64_t i = next++;
        if (i >= last) return;
        work(i);
      }
    } catch (...) {
      const std::scoped_lock lock(mutex);
      if (!error) error = std::current_exception();
      failed = true;
    }
  };
  std::vector<std::jthread> helpers;
  const std::int64_t wanted = std::max<std::int64_t>(1, std::min(threads, last - first)) - 1;
  // If the system refuses threads, this thread does their work.
  start_threads(helpers, static_cast<std::size_t>(wanted), [&run] {
    // The size of OpenMP teams is a setting of each thread.
    at::set_num_threads(1);
    run();
  });
  run();
  helpers.clear();
  if (error) std::rethrow_exception(error);
}

}  // namespace valley
