#include "run/trace_text.h"

#include <fmt/format.h>

#include <cmath>
#include <cstdint>
#include <iterator>
#include <set>

#include "core/json_text.h"

namespace valley {
namespace {

std::string row_name(TraceRow row) {
  switch (row) {
    case TraceRow::kSteps:
      return "steps";
    case TraceRow::kCollectives:
      return "collectives";
    case TraceRow::kLoader:
      return "loader";
    case TraceRow::kOptimizer:
      return "optimizer";
    case TraceRow::kPauses:
      return "evaluation and checkpoints";
    default:
      return fmt::format("reader {}",
                         1 + static_cast<int>(row) - static_cast<int>(TraceRow::kReaders));
  }
}

// From 1, as Perfetto takes thread 0 of process 0 for the idle task.
int thread_of(TraceRow row) { return 1 + static_cast<int>(row); }

// Whole nanoseconds keep the nesting of events; fractions of rounded microseconds would not.
std::int64_t nanoseconds(double seconds) {
  constexpr double kPerSecond = 1e9;
  return std::llround(kPerSecond * seconds);
}

// `count`: nanoseconds.
std::string microseconds(std::int64_t count) {
  constexpr std::int64_t kPerMicrosecond = 1000;
  return fmt::format("{}.{:03}", count / kPerMicrosecond, count % kPerMicrosecond);
}

// `value` is JSON.
std::string metadata(const char* name, int rank, int thread, const char* key,
                     const std::string& value) {
  return fmt::format(R"({{"name":"{}","ph":"M","pid":{},"tid":{},"args":{{"{}":{}}}}},)"
                     "\n",
                     name, rank, thread, key, value);
}

void append_event(std::string& text, int rank, const TraceEvent& event, double zero_s) {
  const std::int64_t begin = nanoseconds(event.begin_s - zero_s);
  const std::int64_t end = nanoseconds(event.end_s - zero_s);
  auto out = std::back_inserter(text);
  fmt::format_to(out,
                 R"({{"name":{},"cat":"{}","ph":"X","pid":{},"tid":{},"ts":{},"dur":{},)"
                 R"("args":{{"step":{})",
                 json_string(event.name), row_name(event.row), rank, thread_of(event.row),
                 microseconds(begin), microseconds(end - begin), event.step);
  if (event.phase[0] != '\0') fmt::format_to(out, R"(,"phase":{})", json_string(event.phase));
  if (event.bytes >= 0) fmt::format_to(out, R"(,"bytes":{})", event.bytes);
  text += "}},\n";
}

}  // namespace

std::string trace_of_rank(int rank, const std::string& host, const std::vector<TraceEvent>& events,
                          double zero_s) {
  std::string text = metadata("process_name", rank, 0, "name",
                              json_string(fmt::format("rank {} (host {})", rank, host)));
  text += metadata("process_sort_index", rank, 0, "sort_index", std::to_string(rank));
  std::set<TraceRow> rows;
  for (const TraceEvent& event : events) rows.insert(event.row);
  for (const TraceRow row : rows) {
    const int thread = thread_of(row);
    text += metadata("thread_name", rank, thread, "name", json_string(row_name(row)));
    text += metadata("thread_sort_index", rank, thread, "sort_index", std::to_string(thread));
  }
  for (const TraceEvent& event : events) append_event(text, rank, event, zero_s);
  return text;
}

}  // namespace valley
