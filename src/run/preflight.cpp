#include "run/preflight.h"

#include <algorithm>

#include "core/error.h"
#include "core/log.h"
#include "core/text.h"
#include "plan/plan_report.h"
#include "storage/space.h"

namespace valley {
namespace {

std::string count_text(const CheckpointNeed& need) {
  return fmt::format("{} of {} bytes", plural(need.more, "checkpoint"), need.bytes);
}

}  // namespace

CheckpointNeed checkpoint_need(std::int64_t bytes, const CheckpointOptions& options,
                               std::int64_t first, std::int64_t steps, std::int64_t present) {
  const std::int64_t left = std::max<std::int64_t>(0, steps - first);
  // One every options.every steps, and one at the end; not those by time, which a short training
  // seldom has.
  const std::int64_t saves = left / options.every + (left % options.every == 0 ? 0 : 1);
  if (options.keep == 0) return {bytes, saves, true};
  const std::int64_t room = options.keep + 1 - std::min(present, options.keep);
  return {bytes, std::min(saves, room), false};
}

void require_checkpoint_space(const std::filesystem::path& folder, const CheckpointNeed& need) {
  const auto free = free_bytes(folder);
  if (!free || need.more == 0) return;
  // In floating point, as the bytes of all checkpoints of a long training may overflow 64 bits.
  const double needed = static_cast<double>(need.bytes) * static_cast<double>(need.more);
  if (static_cast<double>(*free) >= needed) return;
  if (need.keeps_all && *free >= static_cast<std::uint64_t>(need.bytes)) {
    log::warn(
        "{}: checkpoint.keep = 0 keeps {}, but only {} bytes are free there; remove checkpoints "
        "during the run, or set checkpoint.keep",
        folder.string(), count_text(need), *free);
    return;
  }
  throw Error(
      ExitCode::kCannotWrite,
      "{}: no room for {}, {:.0f} bytes: only {} bytes are free there; nothing was written. Free "
      "some space, choose another --out, or set a smaller checkpoint.keep",
      folder.string(), count_text(need), needed, *free);
}

std::string describe_space(const std::filesystem::path& folder, const CheckpointNeed& need) {
  const auto free = free_bytes(folder);
  return fmt::format(
      "checkpoints: {} of {} each at a time; {} free in {}",
      need.keeps_all ? "all" : fmt::format("at most {} more", need.more), format_bytes(need.bytes),
      free ? format_bytes(static_cast<std::int64_t>(*free)) : "unknown space", folder.string());
}

}  // namespace valley
