// Traces in the JSON Object Format of "Trace Event Format" (docs.google.com/document/d/
// 1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU), which Perfetto (ui.perfetto.dev) and
// chrome://tracing show.
//
// A rank is a process with the rank as its id, a row is a thread. All events are complete events
// ("ph": "X") with times in microseconds.
#pragma once

#include <string>
#include <vector>

#include "flight/trace_recorder.h"

namespace valley {

// Events of one rank as a list of JSON objects, each followed by ",\n": names of the rank and its
// rows, then `events`. `zero_s`: the time on this rank's clock that is 0 in the trace.
[[nodiscard]] std::string trace_of_rank(int rank, const std::string& host,
                                        const std::vector<TraceEvent>& events, double zero_s);

}  // namespace valley
