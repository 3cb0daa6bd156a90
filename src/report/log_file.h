// The warnings and errors of a run's log.txt.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace valley::report {

struct LogMessage {
  std::string time;  // of the first, as it stands there
  std::string text;  // "warning: ..." or "error: ...", without the rank
  std::size_t times = 1;
};

// In the order of their first appearance; the same text is listed once.
[[nodiscard]] std::vector<LogMessage> warnings_of_log(std::string_view log);

}  // namespace valley::report
