// The warnings and errors of a run's log.txt.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace valley::report {

struct LogMessage {
  std::string time;  // time of the first occurrence, as in the file
  std::string text;  // "warning: ..." or "error: ...", without the rank
  std::size_t times = 1;
};

// Distinct texts in the order of their first occurrence.
[[nodiscard]] std::vector<LogMessage> find_warnings(std::string_view log);

}  // namespace valley::report
