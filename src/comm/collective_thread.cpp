#include "comm/collective_thread.h"

#include <exception>
#include <utility>

#include "core/start_threads.h"
#include "core/stopwatch.h"
#include "flight/flight_recorder.h"

namespace valley {
namespace {

class QueuedWork final : public Work {
 public:
  explicit QueuedWork(std::future<void> done) : done_(std::move(done)) {}
  void wait() override {
    const Stopwatch watch(collective_seconds());
    if (done_.valid()) done_.get();
  }

 private:
  std::future<void> done_;
};

}  // namespace

CollectiveThread::CollectiveThread(Communicator& communicator)
    : communicator_(communicator),
      exceptions_when_built_(std::uncaught_exceptions()),
      queue_(std::make_shared<Queue>()),
      thread_(start_thread("reductions", [queue = queue_] { serve(*queue); })) {}

CollectiveThread::~CollectiveThread() {
  {
    const std::lock_guard lock(queue_->mutex);
    queue_->closed = true;
  }
  queue_->changed.notify_one();
  if (std::uncaught_exceptions() > exceptions_when_built_) {
    thread_.detach();
  } else {
    thread_.join();
  }
}

std::unique_ptr<Work> CollectiveThread::all_reduce(const at::Tensor& tensor, ReduceOp op) {
  std::packaged_task<void()> call(
      [this, tensor, op] { communicator_.all_reduce(tensor, op)->wait(); });
  auto work = std::make_unique<QueuedWork>(call.get_future());
  {
    const std::lock_guard lock(queue_->mutex);
    queue_->calls.push_back(std::move(call));
  }
  queue_->changed.notify_one();
  return work;
}

void CollectiveThread::serve(Queue& queue) {
  std::unique_lock lock(queue.mutex);
  for (;;) {
    queue.changed.wait(lock, [&] { return queue.closed || !queue.calls.empty(); });
    if (queue.calls.empty()) return;
    std::packaged_task<void()> call = std::move(queue.calls.front());
    queue.calls.pop_front();
    lock.unlock();
    call();
    lock.lock();
  }
}

}  // namespace valley
