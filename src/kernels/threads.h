// Independent pieces of work on several threads, each with single-threaded LibTorch operators: the
// bits of a piece do not depend on the number of threads.
#pragma once

#include <cstdint>
#include <functional>

namespace valley {

// Sets the intra-op threads of this process to 1 for its lifetime. If there are several, one must
// outlive the others.
class SingleThreaded {
 public:
  SingleThreaded();
  ~SingleThreaded();
  SingleThreaded(const SingleThreaded&) = delete;
  SingleThreaded& operator=(const SingleThreaded&) = delete;

 private:
  int before_;
};

// Calls work(i) for each i in [first, last), in any order, on up to `threads` threads including the
// caller's. The caller's thread keeps its number of intra-op threads (see SingleThreaded), the
// others have one. Stops at the first exception and rethrows it.
void for_each_on_threads(std::int64_t first, std::int64_t last, std::int64_t threads,
                         const std::function<void(std::int64_t)>& work);

}  // namespace valley
