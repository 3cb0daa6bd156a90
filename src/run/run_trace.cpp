#include "run/run_trace.h"

#include <ATen/ops/full.h>

#include <algorithm>
#include <exception>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "comm/clock_offsets.h"
#include "core/atomic_file.h"
#include "core/json_text.h"
#include "core/log.h"
#include "flight/flight_recorder.h"
#include "flight/trace_recorder.h"
#include "run/trace_text.h"

namespace valley {
namespace {

// The earliest begin of an event of any rank, on the clock of rank 0.
double earliest(Communicator& host, const std::vector<TraceEvent>& events, double offset) {
  double first = monotonic_seconds();
  for (const TraceEvent& event : events) first = std::min(first, event.begin_s);
  const at::Tensor time = at::full({1}, first - offset, at::kDouble);
  host.all_reduce(time, ReduceOp::kMin)->wait();
  return *time.const_data_ptr<double>();
}

std::string head_of(const TraceRange& steps, const std::vector<ClockOffset>& clocks,
                    const std::vector<std::string>& dropped) {
  constexpr double kMicroseconds = 1e6;
  nlohmann::ordered_json about = {{"program", "valley"},
                                  {"steps", fmt::format("{}-{}", steps.first, steps.last)}};
  for (const ClockOffset& clock : clocks) {
    about["clock_offset_us"].push_back(kMicroseconds * clock.seconds);
    about["clock_error_us"].push_back(kMicroseconds * clock.error);
  }
  for (const std::string& count : dropped) about["dropped_events"].push_back(std::stoull(count));
  return fmt::format("{{\"displayTimeUnit\":\"ms\",\n\"otherData\":{},\n\"traceEvents\":[\n",
                     write_json(about));
}

// The file on rank 0, until the first failure.
class TraceFile {
 public:
  TraceFile(std::filesystem::path path, bool is_written) : path_(std::move(path)) {
    if (is_written) attempt([this] { file_.emplace(path_); });
  }
  void write(std::string_view text) {
    if (file_) attempt([&] { file_->write(text); });
  }
  // True if the file is complete.
  bool commit() {
    if (file_) attempt([this] { file_->commit(); });
    return file_.has_value();
  }

 private:
  template <typename Action>
  void attempt(const Action& action) {
    try {
      action();
    } catch (const std::exception& error) {
      file_.reset();
      log::warn("the trace was not written: {}", error.what());
    }
  }

  std::filesystem::path path_;
  std::optional<AtomicFile> file_;
};

}  // namespace

void RunTrace::open(const std::filesystem::path& folder, std::int64_t steps) {
  folder_ = folder;
  if (range_ && range_->first > steps && world_.rank() == 0)
    log::warn("train.trace = \"{}-{}\" is not written: the training has {} steps", range_->first,
              range_->last, steps);
}

void RunTrace::before_step(std::int64_t step) {
  if (!range_) return;
  const bool is_traced = range_->contains(step);
  if (is_traced && !recorded_) recorded_ = {step, step};
  if (is_traced) recorded_ = {std::min(recorded_->first, step), std::max(recorded_->last, step)};
  // The first step of a resumed run has none before it in this process.
  if (is_traced) flight_recorder().set_step(step - 1);
  trace_recorder().switch_on(is_traced);
}

void RunTrace::after_step(std::int64_t step) {
  if (range_ && step == range_->last) finish();
}

void RunTrace::finish() {
  if (!recorded_) return;
  trace_recorder().switch_on(false);
  const TraceRange steps = *std::exchange(recorded_, std::nullopt);
  const TraceRecorder::Events events = trace_recorder().take();
  const int own = world_.rank();
  const std::vector<ClockOffset> clocks = measure_clock_offsets(world_.host());
  const double offset = clocks[static_cast<std::size_t>(own)].seconds;
  const double zero = earliest(world_.host(), events.kept, offset) + offset;
  const std::vector<std::string> dropped = world_.gather(std::to_string(events.dropped));
  const std::string text = trace_of_rank(own, host_name(), events.kept, zero);

  const auto path = folder_ / fmt::format("trace-{}-{}.json", steps.first, steps.last);
  TraceFile file(path, own == 0);
  file.write(head_of(steps, clocks, dropped));
  for (int rank = 0; rank < world_.size(); ++rank) {
    const std::string part = world_.broadcast(text, rank);
    const bool is_last = rank + 1 == world_.size();
    // The list has no comma after its last element.
    file.write(is_last ? part.substr(0, part.size() - std::string_view(",\n").size()) : part);
  }
  file.write("\n]}\n");
  if (own == 0 && file.commit())
    log::info("wrote the trace of steps {} to {} to {}; open it in ui.perfetto.dev", steps.first,
              steps.last, path.string());
}

}  // namespace valley
