#include "run/time_keeper.h"

#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <sstream>
#include <string>
#include <system_error>

#include "core/error.h"
#include "core/read_file.h"
#include "run/launch_record.h"

namespace valley {
namespace {

double unix_time() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

// Seconds since the system started this process; 0 where /proc does not tell.
double process_age() {
  constexpr int kStartTime =
      19;  // fields between the name, in parentheses, and starttime (proc(5))
  std::ifstream status("/proc/self/stat");
  std::string text;
  std::getline(status, text);
  std::istringstream fields(text.substr(std::min(text.size(), text.rfind(')') + 1)));
  std::string skipped;
  for (int i = 0; i < kStartTime; ++i) fields >> skipped;
  double start_ticks = 0;
  fields >> start_ticks;
  double uptime = 0;
  std::ifstream("/proc/uptime") >> uptime;
  const auto ticks_per_second = static_cast<double>(::sysconf(_SC_CLK_TCK));
  if (!fields || ticks_per_second <= 0) return 0;
  return std::max(0.0, uptime - start_ticks / ticks_per_second);
}

bool lacks_newline(const std::filesystem::path& file) {
  std::ifstream stream(file, std::ios::binary | std::ios::ate);
  if (!stream || stream.tellg() <= 0) return false;
  stream.seekg(-1, std::ios::end);
  return stream.get() != '\n';
}

}  // namespace

TimeKeeper::TimeKeeper() {
  const double age = process_age();
  line_.began = unix_time() - age;
  line_.seconds[static_cast<std::size_t>(TimeKind::kStartup)] = age;
}

TimeKind TimeKeeper::enter(TimeKind kind) {
  const Clock::time_point now = Clock::now();
  line_.seconds[static_cast<std::size_t>(kind_)] +=
      std::chrono::duration<double>(now - since_).count();
  since_ = now;
  return std::exchange(kind_, kind);
}

void TimeKeeper::open(const std::filesystem::path& file, std::int64_t step) {
  const bool is_cut = lacks_newline(file);  // a kill in the middle of a line
  file_.emplace(file);
  if (is_cut) file_->append("\n");
  line_.is_restart = !restart_reason().empty();
  write(TimeEvent::kStart, step);
}

void TimeKeeper::after_step(std::int64_t step) {
  constexpr double kMinInterval = 1;
  constexpr double kMaxInterval = 60;
  const double due = std::clamp(0.001 * line_.elapsed(), kMinInterval, kMaxInterval);
  if (std::chrono::duration<double>(since_ - written_).count() >= due)
    write(TimeEvent::kProgress, step);
}

void TimeKeeper::write(TimeEvent event, std::int64_t step) {
  if (!file_) return;
  enter(kind_);
  line_.event = event;
  line_.step = step;
  line_.time = unix_time();
  file_->append(format_time_line(line_));
  written_ = since_;
}

}  // namespace valley
