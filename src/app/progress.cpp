#include "app/progress.h"

#include <fmt/core.h>
#include <unistd.h>

#include <cstdio>

#include "core/log.h"
#include "core/terminal.h"
#include "core/text.h"
#include "record/progress.h"

namespace valley::app {
namespace {

constexpr std::chrono::milliseconds kBetweenLogLines{10000};

}  // namespace

TransientLine::TransientLine(std::chrono::milliseconds between_redraws)
    : is_terminal_(is_capable_terminal(STDERR_FILENO)),
      between_(is_terminal_ ? between_redraws : kBetweenLogLines),
      last_(std::chrono::steady_clock::now()) {}

TransientLine::~TransientLine() {
  if (is_open_) std::fputs("\r\x1b[K", stderr);
}

bool TransientLine::is_due() {
  const auto now = std::chrono::steady_clock::now();
  if (now - last_ < between_) return false;
  last_ = now;
  return true;
}

void TransientLine::show(const std::string& line) {
  if (!is_terminal_) {
    log::info("{}", line);
    return;
  }
  fmt::print(stderr, "\r\x1b[K{}", printable_line(line));
  std::fflush(stderr);
  is_open_ = true;
}

double WorkProgress::seconds() const {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin_).count();
}

void WorkProgress::show(const std::string& task, double share) {
  const std::scoped_lock lock(mutex_);
  if (!line_.is_due()) return;
  line_.show(
      fmt::format("{}: {} {:.0f}% | {}", command_, task, 100 * share, format_duration(seconds())));
}

Team make_team(World& world, int threads, WorkProgress& progress) {
  Team team{&world.host(), threads, {}};
  if (world.rank() == 0)
    team.progress = [&](const std::string& task, double share) { progress.show(task, share); };
  return team;
}

}  // namespace valley::app
