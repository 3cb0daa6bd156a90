// Streams, events and graphs of the fake CUDA device.
//
// A stream is a queue of tasks and a thread that runs them in order, with random delays in between.
// While a stream is captured, its tasks become nodes of a graph instead. A graph remembers only the
// order that streams and events gave it, and runs its nodes in a random order that respects this:
// a missing event wait shows as a wrong result.
#pragma once

#include <cuda_runtime_api.h>

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <random>
#include <set>
#include <thread>
#include <vector>

namespace valley::fake {

using Task = std::function<void()>;

struct Node {
  Task task;
  std::set<std::size_t> after;  // nodes that must have run
};

struct Graph {
  std::vector<Node> nodes;
};

class Stream;

// One capture, from cudaStreamBeginCapture to cudaStreamEndCapture.
struct Capture {
  Stream* origin;
  cudaStreamCaptureMode mode;
  std::thread::id owner;
  unsigned long long id;
  Graph graph;
  std::set<Stream*> streams;        // the origin, and those that joined through an event
  cudaError_t error = cudaSuccess;  // why the capture is invalid
};

// A moment in the order of a stream.
class Moment {
 public:
  void pass();
  void wait();
  [[nodiscard]] bool is_past();

 private:
  std::mutex mutex_;
  std::condition_variable passed_;
  bool is_past_ = false;
};

struct Event {
  std::shared_ptr<Moment> moment;    // null: never recorded, or recorded in a capture
  std::shared_ptr<Capture> capture;  // capture in which it was recorded
  std::set<std::size_t> nodes;       // last nodes before it in `capture`
};

class Stream {
 public:
  explicit Stream(int device) : device_(device) {}
  [[nodiscard]] int device() const { return device_; }

  // Queues a task, or captures it.
  cudaError_t add(Task task);
  void wait();  // until all queued tasks have run
  [[nodiscard]] bool is_idle();

  cudaError_t record(Event& event);
  cudaError_t hold_back(const Event& event);

  cudaError_t begin_capture(cudaStreamCaptureMode mode);
  cudaError_t end_capture(Graph& graph);
  [[nodiscard]] std::shared_ptr<Capture> capture() const { return capture_; }

 private:
  void run();

  int device_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Task> queue_;
  bool is_busy_ = false;
  bool has_thread_ = false;
  std::shared_ptr<Capture> capture_;
  std::set<std::size_t> last_;  // nodes of the capture that the next one runs after
};

// The task that runs a graph's nodes in a random order that respects their dependencies.
Task run_of(const std::shared_ptr<const Graph>& graph);

// cudaSuccess, or why the calling thread may not make a call that a capture forbids ("unsafe" in
// CUDA's manual, such as cudaMalloc); the capture becomes invalid then.
cudaError_t check_unsafe_call();
cudaStreamCaptureMode exchange_capture_mode(cudaStreamCaptureMode mode);

// A pause before one of eight tasks of a stream; none with seed 0.
void sleep_at_random(std::mt19937_64& random);

}  // namespace valley::fake
