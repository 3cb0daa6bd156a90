// Messages for people, on stderr and (rank 0) in the run's log.txt.
//
// With more than one rank each line starts with the rank, "[2] ". `info` speaks on rank 0 only,
// because what one rank says of the job all would say; `info_every_rank`, `warn` and `error` speak
// on each. Any thread may call. Control characters in a message are escaped (`printable` of
// text.h).
#pragma once

#include <fmt/core.h>

#include <string>
#include <string_view>
#include <utility>

namespace valley::log {

// Called once the rank is known; before that, lines carry no prefix.
void set_rank(int rank, int size);

// Copies every line into a file as well (appending). Pass an empty path to stop.
void tee_to(const std::string& path);

enum class Level { kInfo, kWarning, kError };
void write(Level level, bool every_rank, std::string_view message);

template <typename... Args>
void info(fmt::format_string<Args...> format, Args&&... args) {
  write(Level::kInfo, false, fmt::format(format, std::forward<Args>(args)...));
}
template <typename... Args>
void info_every_rank(fmt::format_string<Args...> format, Args&&... args) {
  write(Level::kInfo, true, fmt::format(format, std::forward<Args>(args)...));
}
template <typename... Args>
void warn(fmt::format_string<Args...> format, Args&&... args) {
  write(Level::kWarning, true, fmt::format(format, std::forward<Args>(args)...));
}
template <typename... Args>
void error(fmt::format_string<Args...> format, Args&&... args) {
  write(Level::kError, true, fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace valley::log
