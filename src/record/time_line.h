// time.jsonl of a run: where the time of each launch went. Lines are appended and never removed,
// unlike those of stats.jsonl, so that lost work can be computed from them (report/goodput.h).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace valley {

// Activities of rank 0; the times of all kinds add up to that of the process.
enum class TimeKind : std::uint8_t {
  kStartup,      // from the start of the process to its first step
  kSteps,        // forward and backward passes, reductions, updates
  kDataWait,     // waiting for images
  kCheckpoints,  // training stands still for a save
  kEvaluation,   // evaluations and validations
  kSamples,      // reports and sample grids
  kOther,        // rescues, the end of a run
};
inline constexpr std::size_t kTimeKinds = 7;

// The names of the fields in a line, in the order of TimeKind: "startup_s", ...
[[nodiscard]] const char* field_name(TimeKind kind);

enum class TimeEvent : std::uint8_t {
  kStart,     // a launch has restored `step`
  kProgress,  // written at intervals
  kSave,      // a checkpoint of `step` was begun
  kRescue,    // training returned to `step`
  kEnd,       // an orderly end
};

// {"event": "save", "began": 1764524000.12, "time": 1764524031.5, "step": 40, "startup_s": 1.2,
// ...}
struct TimeLine {
  TimeEvent event = TimeEvent::kStart;
  double began = 0;  // Unix time of the start of the process on rank 0: identifies the launch
  double time = 0;   // Unix time of this line
  std::int64_t step = 0;
  // True if launch/restarts.sh started the job again by itself. In lines of the event "start".
  bool is_restart = false;
  std::array<double, kTimeKinds> seconds{};  // this launch so far, by kind

  [[nodiscard]] double at(TimeKind kind) const { return seconds[static_cast<std::size_t>(kind)]; }
  [[nodiscard]] double elapsed() const;  // sum of `seconds`
};

[[nodiscard]] std::string format_time_line(const TimeLine& line);  // ends with a newline

// nullopt for a line that is cut, or lacks a field, or has a negative or infinite time.
[[nodiscard]] std::optional<TimeLine> parse_time_line(std::string_view text);

// The lines that can be parsed, in the order of the file; none if it does not exist. Error (kIo,
// kData) if it cannot be read.
[[nodiscard]] std::vector<TimeLine> read_time_lines(const std::filesystem::path& file);

}  // namespace valley
