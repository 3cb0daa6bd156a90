#include "flight/flight_recorder.h"

#include <algorithm>
#include <chrono>
#include <set>

#include "core/progress_count.h"
#include "flight/trace_recorder.h"

namespace valley {
namespace {

// The call of the host, until it is queued on a GPU.
TraceEvent event_of(const RecordedCollective& c, double end_s) {
  return {TraceRow::kCollectives, name_of(c.call.kind), c.phase, c.step,
          c.call.bytes,           c.called_s,           end_s};
}

// The end of an activity, of those that have a row. Waiting for images belongs to the next step.
void trace_activity(const FlightRecorder::State& ended, double now) {
  if (ended.activity == Activity::kLoader) {
    trace_recorder().add({TraceRow::kLoader, name_of(ended.activity), "", ended.step + 1, -1,
                          ended.activity_s, now});
  } else if (ended.activity == Activity::kCheckpoint || ended.activity == Activity::kEvaluate ||
             ended.activity == Activity::kValidate) {
    trace_recorder().add(
        {TraceRow::kPauses, name_of(ended.activity), "", ended.step, -1, ended.activity_s, now});
  }
}

}  // namespace

double monotonic_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

const char* name_of(Activity activity) {
  switch (activity) {
    case Activity::kStart:
      return "start-up";
    case Activity::kLoader:
      return "waiting for images";
    case Activity::kCompute:
      return "computing";
    case Activity::kCheckpoint:
      return "saving a checkpoint";
    case Activity::kEvaluate:
      return "evaluating";
    case Activity::kValidate:
      return "validating";
    default:
      return "ending";
  }
}

const char* name_of(CollectiveKind kind) {
  switch (kind) {
    case CollectiveKind::kAllReduce:
      return "all-reduce";
    case CollectiveKind::kTreeReduce:
      return "tree reduction";
    case CollectiveKind::kBroadcast:
      return "broadcast";
    case CollectiveKind::kAllGather:
      return "all-gather";
    default:
      return "barrier";
  }
}

std::int64_t FlightRecorder::enter(int channel, const CollectiveCall& call) {
  const double now = monotonic_seconds();
  const std::lock_guard lock(mutex_);
  ChannelPosition& position = state_.channels.at(static_cast<std::size_t>(channel));
  const bool is_entered = position.left == position.called;  // no other one is in front of it
  ++position.called;
  is_calling_.at(static_cast<std::size_t>(channel)) = true;
  if (is_entered) position.entered = position.called;
  ring_[recorded_++ % kKept] = {channel,     position.called,      call, state_.phase, state_.step,
                                now,         is_entered ? now : 0,
                                /*left_s=*/0};
  count_progress();
  return position.called;
}

RecordedCollective* FlightRecorder::find(int channel, std::int64_t number) {
  for (std::uint64_t back = 1; back <= std::min<std::uint64_t>(recorded_, kKept); ++back) {
    RecordedCollective& entry = ring_[(recorded_ - back) % kKept];
    if (entry.channel == channel && entry.number == number) return &entry;
  }
  return nullptr;
}

void FlightRecorder::end(int channel, std::int64_t number, double now) {
  ChannelPosition& position = state_.channels.at(static_cast<std::size_t>(channel));
  for (std::uint64_t back = 1; back <= std::min<std::uint64_t>(recorded_, kKept); ++back) {
    RecordedCollective& entry = ring_[(recorded_ - back) % kKept];
    if (entry.channel != channel || entry.number > number) continue;
    if (entry.left_s > 0) break;
    entry.left_s = now;
    if (entry.entered_s == 0) entry.entered_s = now;
  }
  position.left = std::max(position.left, number);
  position.entered = std::max(position.entered, number);
  count_progress();
  // A call that blocks the host, such as a barrier, behind others that were queued.
  const bool is_next = position.called == position.left + 1 && position.entered == position.left;
  if (!is_next || !is_calling_.at(static_cast<std::size_t>(channel))) return;
  position.entered = position.called;
  if (RecordedCollective* entry = find(channel, position.called)) entry->entered_s = now;
}

void FlightRecorder::leave(int channel, std::int64_t number) {
  const double now = monotonic_seconds();
  const std::lock_guard lock(mutex_);
  is_calling_.at(static_cast<std::size_t>(channel)) = false;
  end(channel, number, now);
  const RecordedCollective* entry = find(channel, number);
  if (entry == nullptr) return;
  collective_seconds() += now - entry->called_s;
  if (trace_recorder().is_on()) trace_recorder().add(event_of(*entry, now));
}

void FlightRecorder::leave_to_device(int channel, std::int64_t number) {
  const double now = monotonic_seconds();
  const std::lock_guard lock(mutex_);
  is_calling_.at(static_cast<std::size_t>(channel)) = false;
  ChannelPosition& position = state_.channels.at(static_cast<std::size_t>(channel));
  position.entered = std::min(position.entered, number - 1);
  count_progress();
  RecordedCollective* entry = find(channel, number);
  if (entry == nullptr) return;
  entry->entered_s = 0;
  collective_seconds() += now - entry->called_s;
  if (trace_recorder().is_on()) trace_recorder().add(event_of(*entry, now));
}

void FlightRecorder::reach(int channel, std::int64_t number) {
  const double now = monotonic_seconds();
  const std::lock_guard lock(mutex_);
  ChannelPosition& position = state_.channels.at(static_cast<std::size_t>(channel));
  if (position.entered >= number) return;
  position.entered = number;
  if (RecordedCollective* entry = find(channel, number)) entry->entered_s = now;
  count_progress();
}

void FlightRecorder::end_on_device(int channel, std::int64_t number) {
  const double now = monotonic_seconds();
  const std::lock_guard lock(mutex_);
  end(channel, number, now);
}

void FlightRecorder::set_step(std::int64_t step) {
  const std::lock_guard lock(mutex_);
  state_.step = step;
  count_progress();
}

void FlightRecorder::set_phase(const std::string& phase) {
  const char* const kept = keep_text(phase);
  const std::lock_guard lock(mutex_);
  state_.phase = kept;
  count_progress();
}

void FlightRecorder::set_activity(Activity activity) {
  const double now = monotonic_seconds();
  const std::lock_guard lock(mutex_);
  if (state_.activity != activity) {
    if (trace_recorder().is_on()) trace_activity(state_, now);
    state_.activity_s = now;
  }
  state_.activity = activity;
  count_progress();
}

FlightRecorder::State FlightRecorder::state() const {
  const std::lock_guard lock(mutex_);
  State copy = state_;
  copy.progress = progress_count();
  return copy;
}

std::vector<RecordedCollective> FlightRecorder::collectives() const {
  const std::lock_guard lock(mutex_);
  const std::uint64_t n = std::min<std::uint64_t>(recorded_, kKept);
  std::vector<RecordedCollective> kept;
  kept.reserve(n);
  for (std::uint64_t i = recorded_ - n; i < recorded_; ++i) kept.push_back(ring_[i % kKept]);
  return kept;
}

std::vector<RecordedCollective> FlightRecorder::entered_collectives(std::size_t most) const {
  const std::lock_guard lock(mutex_);
  std::vector<RecordedCollective> entered;
  for (std::uint64_t back = 1;
       back <= std::min<std::uint64_t>(recorded_, kKept) && entered.size() < most; ++back) {
    const RecordedCollective& entry = ring_[(recorded_ - back) % kKept];
    if (entry.entered_s > 0) entered.push_back(entry);
  }
  std::ranges::reverse(entered);
  return entered;
}

double& collective_seconds() {
  thread_local double seconds = 0;
  return seconds;
}

const char* keep_text(const std::string& text) {
  constexpr std::size_t kMost = 1000;
  static std::mutex mutex;
  static auto* const texts = new std::set<std::string>;
  const std::lock_guard lock(mutex);
  const auto found = texts->find(text);
  if (found != texts->end()) return found->c_str();
  return texts->size() < kMost ? texts->insert(text).first->c_str() : "";
}

FlightRecorder& flight_recorder() {
  // Never destroyed: threads may record while the process ends.
  static auto* const recorder = new FlightRecorder;
  return *recorder;
}

ActivityScope::ActivityScope(Activity activity) : before_(flight_recorder().state().activity) {
  flight_recorder().set_activity(activity);
}

ActivityScope::~ActivityScope() { flight_recorder().set_activity(before_); }

}  // namespace valley
