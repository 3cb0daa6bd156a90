// The trace of train.trace: events of some steps on all ranks, on one time line
// (trace-FIRST-LAST.json in the run directory, docs/slow-ranks.md).
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>

#include "comm/world.h"
#include "experiment/trace_range.h"

namespace valley {

class RunTrace {
 public:
  // `world` must outlive this object.
  RunTrace(World& world, const std::optional<TraceRange>& range) : world_(world), range_(range) {}

  // Before the first step. `folder`: the run directory. Warns if a training of `steps` steps has
  // none to trace.
  void open(const std::filesystem::path& folder, std::int64_t steps);

  // Before the batch of `step` is taken, on all ranks.
  void before_step(std::int64_t step);
  // Collective. Writes the trace if `step` is the last one to trace. Call after the reports,
  // evaluations and checkpoints of the step.
  void after_step(std::int64_t step);
  // Collective. Writes the trace of the steps so far, if there are any. A file that cannot be
  // written is a warning, as the training does not depend on it.
  void finish();

 private:
  World& world_;
  std::optional<TraceRange> range_;
  std::filesystem::path folder_;
  std::optional<TraceRange> recorded_;  // steps since the last file
};

}  // namespace valley
