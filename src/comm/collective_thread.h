// Reductions on a separate thread, so that the caller continues to compute.
//
// For communicators with blocking calls (MPI). The thread makes the calls one at a time, in the
// order of submission; the communicator must not be used otherwise until all Works have been waited
// for. MPI waits by polling, so the thread needs a core of its own.
#pragma once

#include <condition_variable>
#include <deque>
#include <future>
#include <memory>
#include <mutex>
#include <thread>

#include "comm/communicator.h"

namespace valley {

class CollectiveThread {
 public:
  // `communicator` must outlive this.
  explicit CollectiveThread(Communicator& communicator);
  // Waits for submitted calls, except during stack unwinding: other ranks may never make them, and
  // the process is about to end.
  ~CollectiveThread();
  CollectiveThread(const CollectiveThread&) = delete;
  CollectiveThread& operator=(const CollectiveThread&) = delete;

  // Submits Communicator::all_reduce. The tensor must not be accessed before Work::wait has
  // returned, which rethrows exceptions of the call. Any thread, one at a time.
  [[nodiscard]] std::unique_ptr<Work> all_reduce(const at::Tensor& tensor, ReduceOp op);

 private:
  // Shared with the thread, which may outlive this object at the end of the process.
  struct Queue {
    std::mutex mutex;
    std::condition_variable changed;
    std::deque<std::packaged_task<void()>> calls;
    bool closed = false;
  };
  static void serve(Queue& queue);

  Communicator& communicator_;
  int exceptions_when_built_;
  std::shared_ptr<Queue> queue_;
  std::thread thread_;
};

}  // namespace valley
