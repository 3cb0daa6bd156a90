#include "plan/memory_check.h"

#include "comm/world.h"
#include "core/error.h"
#include "core/text.h"
#include "plan/plan_report.h"

namespace valley {
namespace {

std::string describe_need(const MemoryPlan& memory, const MicrobatchPlan& plan) {
  const std::string replay =
      memory.replay == 0
          ? ""
          : fmt::format(", the replay buffer {}", format_bytes(memory.replay / plan.ranks));
  return fmt::format("parameters need {}{}, a microbatch of {} about {}",
                     format_bytes(memory.parameters), replay, plural(plan.size, "image"),
                     format_bytes(memory.per_image * plan.size));
}

// The next smaller microbatch size that divides the current one; 0 if there is none.
std::int64_t next_smaller(const MicrobatchPlan& plan) {
  std::int64_t size = plan.size - 1;
  while (size > 0 && plan.size % size != 0) --size;
  return size;
}

std::string way_out(const MicrobatchPlan& plan) {
  const std::int64_t smaller = next_smaller(plan);
  return smaller > 0 ? fmt::format("set train.microbatch={}, or a smaller model.width", smaller)
                     : "set a smaller model.width: the microbatch cannot be smaller than 1 image";
}

}  // namespace

void require_parameters_fit(const MemoryPlan& memory, std::int64_t share, int ranks) {
  if (memory.parameters <= share) {
    if (memory.parameters + memory.replay / ranks <= share) return;
    throw Error(ExitCode::kOutOfMemory,
                "the replay buffer is too large: a rank keeps {} of it and {} for parameters, and "
                "has {} of memory; set a smaller objective.replay_size",
                format_bytes(memory.replay / ranks), format_bytes(memory.parameters),
                format_bytes(share));
  }
  throw Error(ExitCode::kOutOfMemory,
              "the networks are too large: a rank keeps {} for their parameters, and has {} of "
              "memory; set a smaller model.width, model.hidden or model.latent (a smaller "
              "train.microbatch does not help)",
              format_bytes(memory.parameters), format_bytes(share));
}

std::optional<std::string> memory_warning(const MemoryPlan& memory, const MicrobatchPlan& plan,
                                          bool is_auto, std::int64_t budget) {
  if (peak_bytes(memory, plan) <= budget) return std::nullopt;
  return fmt::format(
      "memory may run out: {}, together more than the {} that a rank should use; {}{}",
      describe_need(memory, plan), format_bytes(budget),
      is_auto ? "no train.microbatch fits, so \"auto\" selects the smallest; " : "", way_out(plan));
}

Error out_of_memory(const std::string& text, const MemoryPlan& memory, const MicrobatchPlan& plan) {
  return {ExitCode::kOutOfMemory,      "{}: {} ({}); {}", this_rank(), text,
          describe_need(memory, plan), way_out(plan)};
}

}  // namespace valley
