#include "flight/trace_recorder.h"

#include <limits>
#include <string>
#include <utility>

#include "flight/flight_recorder.h"

namespace valley {

void TraceRecorder::add(const TraceEvent& event) {
  if (!is_on()) return;
  const std::lock_guard lock(mutex_);
  if (events_.kept.size() < kMaxEvents) {
    events_.kept.push_back(event);
  } else {
    ++events_.dropped;
  }
}

TraceRecorder::Events TraceRecorder::take() {
  const std::lock_guard lock(mutex_);
  return std::exchange(events_, {});
}

TraceRecorder& trace_recorder() {
  // Never destroyed: threads may record while the process ends.
  static auto* const recorder = new TraceRecorder;
  return *recorder;
}

TraceRow reader_row() {
  static std::atomic<unsigned> threads = 0;
  constexpr auto kFirst = static_cast<unsigned>(TraceRow::kReaders);
  constexpr unsigned kRows = std::numeric_limits<std::uint8_t>::max() - kFirst;
  thread_local const unsigned row = kFirst + threads++ % kRows;
  return static_cast<TraceRow>(row);
}

void TraceScope::begin(TraceRow row, std::string_view name, std::int64_t step) {
  event_.row = row;
  event_.name = keep_text(std::string(name));
  event_.step = step > 0 ? step : flight_recorder().state().step;
  event_.begin_s = monotonic_seconds();
}

void TraceScope::end() {
  event_.end_s = monotonic_seconds();
  trace_recorder().add(event_);
}

}  // namespace valley
