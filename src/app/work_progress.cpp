#include "app/work_progress.h"

#include <fmt/core.h>

#include "record/progress.h"

namespace valley::app {

double WorkProgress::seconds() const {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin_).count();
}

void WorkProgress::show(const std::string& doing, double share) {
  const std::scoped_lock lock(mutex_);
  if (!line_.is_due()) return;
  line_.show(
      fmt::format("{}: {} {:.0f}% | {}", command_, doing, 100 * share, format_duration(seconds())));
}

}  // namespace valley::app
