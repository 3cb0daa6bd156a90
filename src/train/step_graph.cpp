#include "train/step_graph.h"

#include <ATen/ops/empty_like.h>

namespace valley {

StepSums StepGraph::run_once(const BatchShare& share, const Passes& passes) {
  StepSums out;
  graph_->run([&] { out = passes(share); });
  return out;
}

StepSums StepGraph::run(const Stage* stage, const BatchShare& share, const Passes& passes) {
  if (stage != stage_) {
    stage_ = stage;
    runs_ = 0;
    is_recorded_ = false;
    recorded_ = {};
  }
  if (runs_ < kWarmUps) {
    ++runs_;
    return run_once(share, passes);
  }
  copy_in(share);
  if (!is_recorded_) {
    graph_->record([this, passes] { recorded_ = passes(inputs_); });
    is_recorded_ = true;
  }
  graph_->replay();
  return recorded_;
}

void StepGraph::copy_in(const BatchShare& share) {
  const auto copy = [](const at::Tensor& from, at::Tensor& to) {
    if (!from.defined()) return;
    if (!to.defined()) to = at::empty_like(from);
    to.copy_(from, /*non_blocking=*/true);
  };
  copy(share.pixels, inputs_.pixels);
  copy(share.labels, inputs_.labels);
}

}  // namespace valley
