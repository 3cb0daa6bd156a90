#include "streams.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <utility>

#include "settings.h"

namespace valley::fake {
namespace {

// Captures under way, for calls that end them.
std::mutex captures_mutex;
std::vector<std::shared_ptr<Capture>> captures;
thread_local cudaStreamCaptureMode thread_mode = cudaStreamCaptureModeGlobal;

std::uint64_t next_seed() {
  static std::atomic<std::uint64_t> streams{0};
  return settings().seed * 1'000'003 + ++streams;
}

cudaError_t invalidate(Capture& capture, cudaError_t error) {
  if (capture.error == cudaSuccess) capture.error = error;
  return error;
}

}  // namespace

void sleep_at_random(std::mt19937_64& random) {
  if (settings().seed == 0 || random() % 8 != 0) return;
  std::this_thread::sleep_for(std::chrono::microseconds(random() % 300));
}

void Moment::pass() {
  const std::lock_guard lock(mutex_);
  is_past_ = true;
  passed_.notify_all();
}

void Moment::wait() {
  std::unique_lock lock(mutex_);
  passed_.wait(lock, [this] { return is_past_; });
}

bool Moment::is_past() {
  const std::lock_guard lock(mutex_);
  return is_past_;
}

cudaError_t Stream::add(Task task) {
  if (capture_) {
    if (capture_->error != cudaSuccess) return cudaErrorStreamCaptureInvalidated;
    capture_->graph.nodes.push_back({std::move(task), last_});
    last_ = {capture_->graph.nodes.size() - 1};
    return cudaSuccess;
  }
  const std::lock_guard lock(mutex_);
  queue_.push_back(std::move(task));
  if (!has_thread_) {
    has_thread_ = true;
    std::thread([this] { run(); }).detach();  // a process may end while its device works
  }
  changed_.notify_all();
  return cudaSuccess;
}

void Stream::run() {
  std::mt19937_64 random(next_seed());
  for (;;) {
    Task task;
    {
      std::unique_lock lock(mutex_);
      is_busy_ = false;
      if (queue_.empty()) changed_.notify_all();
      changed_.wait(lock, [this] { return !queue_.empty(); });
      task = std::move(queue_.front());
      queue_.pop_front();
      is_busy_ = true;
    }
    sleep_at_random(random);
    task();
  }
}

void Stream::wait() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return queue_.empty() && !is_busy_; });
}

bool Stream::is_idle() {
  const std::lock_guard lock(mutex_);
  return queue_.empty() && !is_busy_;
}

cudaError_t Stream::record(Event& event) {
  event.capture = capture_;
  event.nodes = last_;
  event.moment.reset();
  if (capture_) return cudaSuccess;
  event.moment = std::make_shared<Moment>();
  return add([moment = event.moment] { moment->pass(); });
}

cudaError_t Stream::hold_back(const Event& event) {
  if (event.capture) {
    const std::lock_guard lock(captures_mutex);
    if (std::ranges::find(captures, event.capture) == captures.end())
      return cudaErrorInvalidValue;  // its capture has ended
    if (capture_ && capture_ != event.capture)
      return invalidate(*capture_, cudaErrorStreamCaptureMerge);
    capture_ = event.capture;
    capture_->streams.insert(this);
    last_.insert(event.nodes.begin(), event.nodes.end());
    return cudaSuccess;
  }
  if (!event.moment) return cudaSuccess;
  if (capture_) return invalidate(*capture_, cudaErrorStreamCaptureIsolation);
  return add([moment = event.moment] { moment->wait(); });
}

cudaError_t Stream::begin_capture(cudaStreamCaptureMode mode) {
  if (capture_) return cudaErrorIllegalState;
  static std::atomic<unsigned long long> number{0};
  capture_ = std::make_shared<Capture>();
  capture_->origin = this;
  capture_->mode = mode;
  capture_->owner = std::this_thread::get_id();
  capture_->id = ++number;
  capture_->streams.insert(this);
  last_.clear();
  const std::lock_guard lock(captures_mutex);
  captures.push_back(capture_);
  return cudaSuccess;
}

cudaError_t Stream::end_capture(Graph& graph) {
  if (!capture_) return cudaErrorIllegalState;
  const std::shared_ptr<Capture> capture = capture_;
  if (capture->origin != this) return cudaErrorStreamCaptureUnmatched;
  if (capture->mode != cudaStreamCaptureModeRelaxed && capture->owner != std::this_thread::get_id())
    return cudaErrorStreamCaptureWrongThread;
  // Every node must come before the origin's last ones: no stream was left behind.
  std::vector<bool> is_joined(capture->graph.nodes.size(), false);
  for (const std::size_t i : last_) is_joined[i] = true;
  for (std::size_t i = is_joined.size(); i-- > 0;) {
    if (!is_joined[i]) continue;
    for (const std::size_t before : capture->graph.nodes[i].after) is_joined[before] = true;
  }
  cudaError_t error =
      capture->error == cudaSuccess ? cudaSuccess : cudaErrorStreamCaptureInvalidated;
  if (error == cudaSuccess && std::ranges::find(is_joined, false) != is_joined.end())
    error = cudaErrorStreamCaptureUnjoined;
  for (Stream* stream : capture->streams) {
    stream->capture_.reset();
    stream->last_.clear();
  }
  {
    const std::lock_guard lock(captures_mutex);
    std::erase(captures, capture);
  }
  graph = std::move(capture->graph);
  return error;
}

Task run_of(const std::shared_ptr<const Graph>& graph) {
  return [graph, random = std::mt19937_64(next_seed())]() mutable {
    const std::size_t n = graph->nodes.size();
    std::vector<std::size_t> waits_for(n);
    std::vector<std::vector<std::size_t>> followers(n);
    std::vector<std::size_t> ready;
    for (std::size_t i = 0; i < n; ++i) {
      waits_for[i] = graph->nodes[i].after.size();
      for (const std::size_t before : graph->nodes[i].after) followers[before].push_back(i);
      if (waits_for[i] == 0) ready.push_back(i);
    }
    while (!ready.empty()) {
      std::swap(ready[settings().seed == 0 ? 0 : random() % ready.size()], ready.back());
      const std::size_t i = ready.back();
      ready.pop_back();
      graph->nodes[i].task();
      for (const std::size_t next : followers[i]) {
        if (--waits_for[next] == 0) ready.push_back(next);
      }
    }
  };
}

cudaError_t check_unsafe_call() {
  if (thread_mode == cudaStreamCaptureModeRelaxed) return cudaSuccess;
  const std::lock_guard lock(captures_mutex);
  for (const auto& capture : captures) {
    const bool is_own = capture->owner == std::this_thread::get_id();
    const bool forbids = is_own ? capture->mode != cudaStreamCaptureModeRelaxed
                                : capture->mode == cudaStreamCaptureModeGlobal &&
                                      thread_mode == cudaStreamCaptureModeGlobal;
    if (forbids) return invalidate(*capture, cudaErrorStreamCaptureUnsupported);
  }
  return cudaSuccess;
}

cudaStreamCaptureMode exchange_capture_mode(cudaStreamCaptureMode mode) {
  return std::exchange(thread_mode, mode);
}

}  // namespace valley::fake
