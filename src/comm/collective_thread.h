// Reductions on a thread of their own, so that whoever asks for one goes on computing.
//
// For communicators whose calls return only when the reduction has been made (MPI). The thread
// makes the calls one at a time in the order in which they were given; meanwhile nobody else may
// call the communicator, which is free again once every Work that was given out has been waited
// for. It waits as MPI waits, which is by polling: it needs a core that nothing else uses.
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
  // Waits for what was given; destroyed by an exception it does not, because the other ranks may
  // never come: the process is about to end.
  ~CollectiveThread();
  CollectiveThread(const CollectiveThread&) = delete;
  CollectiveThread& operator=(const CollectiveThread&) = delete;

  // Communicator::all_reduce on the thread. Until Work::wait has returned, which throws what the
  // call threw, the tensor's memory belongs to the reduction. Any thread, one at a time.
  [[nodiscard]] std::unique_ptr<Work> all_reduce(const at::Tensor& tensor, ReduceOp op);

 private:
  // Shared with the thread, which may outlive this object while the process ends.
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
