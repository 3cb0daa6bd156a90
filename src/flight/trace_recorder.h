// Events of some steps of this rank, for a trace of all ranks (run/run_trace.h). Off, it costs one
// branch per scope.
//
// One recorder per process, like the flight recorder's and for the same reason: events come from
// all layers and from several threads. Within a row, events are nested or one after the other.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string_view>
#include <vector>

namespace valley {

// Rows of a rank in the trace, from top to bottom. Rows from kReaders on belong to the threads that
// read images.
enum class TraceRow : std::uint8_t {
  kSteps,        // steps, their phases, and the micro-batches and waits of these
  kCollectives,  // on any thread, one at a time
  kLoader,       // training waits for images
  kOptimizer,
  kPauses,  // evaluation, validation, checkpoints
  kReaders
};

struct TraceEvent {
  TraceRow row = TraceRow::kSteps;
  const char* name = "";    // lives as long as the process (keep_text)
  const char* phase = "";   // set for collectives
  std::int64_t step = 0;    // the training step that it belongs to, from 1
  std::int64_t bytes = -1;  // set for collectives
  double begin_s = 0;       // on the monotonic clock of the host
  double end_s = 0;
};

// Any thread may call, but `switch_on` and `take` are called by one.
class TraceRecorder {
 public:
  static constexpr std::size_t kMaxEvents = std::size_t{1} << 17U;  // 7 MiB

  void switch_on(bool on) { on_.store(on, std::memory_order_relaxed); }
  [[nodiscard]] bool is_on() const { return on_.load(std::memory_order_relaxed); }

  // Nothing while it is off, and after kMaxEvents.
  void add(const TraceEvent& event);

  struct Events {
    std::vector<TraceEvent> kept;
    std::size_t dropped = 0;  // beyond kMaxEvents
  };
  // The events since the last call.
  [[nodiscard]] Events take();

 private:
  std::atomic<bool> on_ = false;
  std::mutex mutex_;
  Events events_;
};

// The recorder of this process.
[[nodiscard]] TraceRecorder& trace_recorder();

// The row of the calling thread, which reads images.
[[nodiscard]] TraceRow reader_row();

// An event that lasts as long as this object, if the recorder is on when it is created.
class TraceScope {
 public:
  // `step`: 0 for that of the flight recorder.
  explicit TraceScope(TraceRow row, std::string_view name, std::int64_t step = 0)
      : is_on_(trace_recorder().is_on()) {
    if (is_on_) begin(row, name, step);
  }
  ~TraceScope() {
    if (is_on_) end();
  }
  TraceScope(const TraceScope&) = delete;
  TraceScope& operator=(const TraceScope&) = delete;

 private:
  void begin(TraceRow row, std::string_view name, std::int64_t step);
  void end();

  bool is_on_;
  TraceEvent event_;
};

}  // namespace valley
