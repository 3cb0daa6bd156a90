// Messages for users, on stderr and (rank 0) in the run's log.txt.
//
// With more than one rank each line starts with the rank, "[2] ". `info` writes on rank 0 only, so
// that messages about the job appear once; `info_every_rank`, `warn` and `error` write on each. Any
// thread may call. Control characters in a message are escaped (`printable` of text.h).
#pragma once

#include <fmt/core.h>

#include <string>
#include <string_view>
#include <utility>

namespace valley::log {

// Call once the rank is known; before that, lines have no prefix.
void set_rank(int rank, int size);

// Appends every line to a file as well. An empty path stops that.
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
