// Repeats the passes of recorded steps: the host queues one graph instead of thousands of kernels.
//
// The first steps of a stage run as without (libraries choose their kernels then), the next is
// recorded, and all further ones repeat it. A step that shall not be repeated, because it also
// traces samples, runs as without in between. Its batch is copied to where the recorded passes read
// it. The memory of the recorded passes is kept: where steps of both kinds run, activations take
// their room twice.
#pragma once

#include <functional>
#include <memory>

#include "kernels/work_graph.h"
#include "train/step_passes.h"

namespace valley {

class StepGraph {
 public:
  static constexpr int kWarmUps = 3;  // steps of a stage before one is recorded
  using Passes = std::function<StepSums(const BatchShare&)>;

  explicit StepGraph(std::unique_ptr<WorkGraph> graph) : graph_(std::move(graph)) {}

  // The passes of a step of `stage`, run or repeated. What `passes` does may depend on the stage
  // and on the tensors that it was given, and on nothing else.
  [[nodiscard]] StepSums run(const Stage* stage, const BatchShare& share, const Passes& passes);
  // The same for a step that differs; not recorded.
  [[nodiscard]] StepSums run_once(const BatchShare& share, const Passes& passes);
  // Other work on the stream of the steps, so that it reuses their memory; not recorded.
  void run_beside(const std::function<void()>& work) { graph_->run(work); }

 private:
  void copy_in(const BatchShare& share);

  std::unique_ptr<WorkGraph> graph_;
  const Stage* stage_ = nullptr;  // that steps were run of, warm-ups or recorded
  int runs_ = 0;                  // warm-ups of it
  bool is_recorded_ = false;
  BatchShare inputs_;  // what recorded passes read
  StepSums recorded_;  // what they write
};

}  // namespace valley
