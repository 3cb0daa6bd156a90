// Steps of train.trace, written as "100-110".
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace valley {

struct TraceRange {
  std::int64_t first = 0;
  std::int64_t last = 0;  // included
  [[nodiscard]] bool contains(std::int64_t step) const { return first <= step && step <= last; }
};

// nullopt for "". Error kConfig naming `what` (a key and its place) for other text that is not
// "FIRST-LAST" with 1 <= FIRST <= LAST.
[[nodiscard]] std::optional<TraceRange> parse_trace_range(const std::string& text,
                                                          const std::string& what);

}  // namespace valley
