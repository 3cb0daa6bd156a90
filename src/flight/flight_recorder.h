// What a rank did last: its collectives and its progress, for the report on a job that hangs.
//
// One recorder per process, because collectives are called, and progress is made, in all layers.
// Entering and leaving a collective costs a lock without contention and a write of 64 bytes.
#pragma once

#include <array>
#include <cstdint>
#include <mutex>
#include <string>
#include <vector>

namespace valley {

// What the rank is doing outside of collectives.
enum class Activity : std::uint8_t {
  kStart,
  kLoader,  // waits for images
  kCompute,
  kCheckpoint,
  kEvaluate,
  kValidate,
  kEnd
};
[[nodiscard]] const char* name_of(Activity activity);

enum class CollectiveKind : std::uint8_t {
  kAllReduce,
  kTreeReduce,
  kBroadcast,
  kAllGather,
  kBarrier
};
[[nodiscard]] const char* name_of(CollectiveKind kind);

// What ranks must agree on.
struct CollectiveCall {
  CollectiveKind kind = CollectiveKind::kBarrier;
  std::string type;           // of the elements, "float"; "" for a barrier
  std::int64_t elements = 0;  // of one rank
  std::int64_t bytes = 0;
  int detail = 0;  // ReduceOp, or the root of a broadcast
  friend bool operator==(const CollectiveCall&, const CollectiveCall&) = default;
};

struct RecordedCollective {
  int channel = 0;
  std::int64_t number = 0;  // counts the collectives of the channel from 1
  CollectiveCall call;
  const char* phase = "";
  std::int64_t step = 0;
  double called_s = 0;   // on the monotonic clock of the host
  double entered_s = 0;  // 0: not yet
  double left_s = 0;     // 0: not yet
};

// Position of a rank in the sequence of collectives of a channel. A collective that was queued on a
// GPU is entered when the GPU reaches it, and left when it has ended there; others are entered when
// they are called.
struct ChannelPosition {
  std::int64_t called = 0;   // numbers of the last collective that was called,
  std::int64_t entered = 0;  // the last one that was entered,
  std::int64_t left = 0;     // and the last one that was left
};

class FlightRecorder {
 public:
  static constexpr int kChannels = 2;         // host and device of a World
  static constexpr std::size_t kKept = 1024;  // collectives, of both channels together

  // Any thread. Returns the number for `leave`.
  std::int64_t enter(int channel, const CollectiveCall& call);
  void leave(int channel, std::int64_t number);
  // The host has queued the collective.
  void leave_to_device(int channel, std::int64_t number);
  // The device has reached a collective that was queued; all before it have ended there.
  void reach(int channel, std::int64_t number);
  // This one and all before it have ended on the device.
  void end_on_device(int channel, std::int64_t number);

  // The training step and phase that later collectives belong to.
  void set_step(std::int64_t step);
  void set_phase(const std::string& phase);
  void set_activity(Activity activity);

  struct State {
    std::int64_t step = 0;
    const char* phase = "";
    Activity activity = Activity::kStart;
    double activity_s = 0;       // since when
    std::uint64_t progress = 0;  // that of the process (core/progress_count.h)
    std::array<ChannelPosition, kChannels> channels;
  };
  [[nodiscard]] State state() const;
  // The newest collectives, oldest first.
  [[nodiscard]] std::vector<RecordedCollective> collectives() const;
  // The newest of those that were entered, oldest first.
  [[nodiscard]] std::vector<RecordedCollective> entered_collectives(std::size_t most) const;

 private:
  // Null if newer ones have replaced it.
  RecordedCollective* find(int channel, std::int64_t number);
  // Marks those of the channel up to `number` that have not been left.
  void end(int channel, std::int64_t number, double now);

  mutable std::mutex mutex_;
  std::array<RecordedCollective, kKept> ring_;
  std::uint64_t recorded_ = 0;
  std::array<bool, kChannels> is_calling_{};  // the host is inside the last call
  State state_;
};

// The recorder of this process.
[[nodiscard]] FlightRecorder& flight_recorder();

// Sets an activity during its lifetime, then the one before.
class ActivityScope {
 public:
  explicit ActivityScope(Activity activity);
  ~ActivityScope();
  ActivityScope(const ActivityScope&) = delete;
  ActivityScope& operator=(const ActivityScope&) = delete;

 private:
  Activity before_;
};

// Seconds that the calling thread has spent in collectives or waiting for those of other threads,
// since it started. On GPUs without the time on the device.
[[nodiscard]] double& collective_seconds();

// `text` for as long as the process lives; "" after a thousand different texts.
[[nodiscard]] const char* keep_text(const std::string& text);

// Seconds on the monotonic clock.
[[nodiscard]] double monotonic_seconds();

}  // namespace valley
