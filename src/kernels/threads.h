// Work for several threads, each of which runs LibTorch's operations alone: what is computed within
// one piece of it has the bits of one thread, however many there are.
#pragma once

#include <cstdint>
#include <functional>

namespace valley {

// LibTorch's threads of this process are set to one for as long as this lives. Of several at once,
// one must outlive the others.
class SingleThreaded {
 public:
  SingleThreaded();
  ~SingleThreaded();
  SingleThreaded(const SingleThreaded&) = delete;
  SingleThreaded& operator=(const SingleThreaded&) = delete;

 private:
  int before_;
};

// Calls work(i) for each i in [first, last), in any order, on up to `threads` threads, of which the
// caller's is one; on that LibTorch has as many threads as before (SingleThreaded). The first
// exception ends it and is thrown again here.
void for_each_on_threads(std::int64_t first, std::int64_t last, std::int64_t threads,
                         const std::function<void(std::int64_t)>& work);

}  // namespace valley
