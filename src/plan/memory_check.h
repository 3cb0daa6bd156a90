// What is said of memory, before it runs out and when it has.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "kernels/out_of_memory.h"
#include "plan/memory_plan.h"
#include "plan/microbatches.h"

namespace valley {

// Error kOutOfMemory when what a rank keeps for its parameters alone, or with its part of a replay
// buffer, is more than its `share` of the memory: no microbatch helps there. Bytes.
void require_parameters_fit(const MemoryPlan& memory, std::int64_t share, int ranks = 1);

// A warning when the passes of `plan` are estimated to need more than `budget` beside the
// parameters; it says whether a smaller microbatch is left. `is_auto`: the plan has the size that
// fits best.
[[nodiscard]] std::optional<std::string> memory_warning(const MemoryPlan& memory,
                                                        const MicrobatchPlan& plan, bool is_auto,
                                                        std::int64_t budget);

// Error kOutOfMemory for `text` of out_of_memory_text, with what helps this plan.
[[nodiscard]] Error out_of_memory(const std::string& text, const MemoryPlan& memory,
                                  const MicrobatchPlan& plan);

// Calls `function`; memory that runs out in it becomes the Error above.
template <typename Function>
auto with_memory_advice(const MemoryPlan& memory, const MicrobatchPlan& plan,
                        const Function& function) {
  try {
    return function();
  } catch (const std::exception& error) {
    const std::optional<std::string> text = out_of_memory_text(error);
    if (!text) throw;
    throw out_of_memory(*text, memory, plan);
  }
}

}  // namespace valley
