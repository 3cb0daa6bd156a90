// Records the passes of a step as a graph and replays it: the host queues one graph instead of
// thousands of kernels.
//
// The first steps of a stage are warm-ups without a graph, in which libraries choose their kernels.
// The next step is recorded, and later steps replay it, with the batch copied to the input tensors
// of the graph. Steps that also write per-sample metrics run without the graph. The graph keeps the
// memory of its passes, so that a stage with both kinds of steps needs activation memory twice.
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

  // Runs or replays the passes of a step of `stage`. The result of `passes` may depend only on the
  // stage and on its input tensors.
  [[nodiscard]] StepSums run(const Stage* stage, const BatchShare& share, const Passes& passes);
  // Runs the passes of a step that differs from the recorded one, without the graph.
  [[nodiscard]] StepSums run_once(const BatchShare& share, const Passes& passes);
  // Runs other work on the stream of the steps, so that it reuses their memory; not recorded.
  void run_beside(const std::function<void()>& work) { graph_->run(work); }

 private:
  void copy_in(const BatchShare& share);

  std::unique_ptr<WorkGraph> graph_;
  const Stage* stage_ = nullptr;  // stage of the warm-ups or of the recorded step
  int runs_ = 0;                  // warm-ups of stage_
  bool is_recorded_ = false;
  BatchShare inputs_;  // input tensors of the graph
  StepSums recorded_;  // output tensors of the graph
};

}  // namespace valley
