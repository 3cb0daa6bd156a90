// Messages about memory: a warning before training and advice after an allocation failed.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "kernels/out_of_memory.h"
#include "plan/memory_plan.h"
#include "plan/microbatches.h"

namespace valley {

// Error kOutOfMemory if a rank's parameters, with its part of a replay buffer, need more bytes than
// its `share` of the memory: no microbatch size is small enough.
void require_parameters_fit(const MemoryPlan& memory, std::int64_t share, int ranks = 1);

// A warning if the estimated peak of `plan` exceeds `budget` bytes; it proposes a smaller
// microbatch if there is one. `is_auto`: the plan has the microbatch size that fits best.
[[nodiscard]] std::optional<std::string> memory_warning(const MemoryPlan& memory,
                                                        const MicrobatchPlan& plan, bool is_auto,
                                                        std::int64_t budget);

// Error kOutOfMemory for `text` from out_of_memory_text, with advice for this plan.
[[nodiscard]] Error out_of_memory(const std::string& text, const MemoryPlan& memory,
                                  const MicrobatchPlan& plan);

// Calls `function`; turns its out-of-memory exceptions into the Error above.
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
