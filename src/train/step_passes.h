// The passes of a step: forward, backward, reductions and the optimizers' updates.
//
// Where reductions overlap with passes, a phase opens while that before it is still being reduced,
// if they update different networks: its first microbatch goes as far as Objective::pass_ahead
// takes it. The updates of the phase before come next, and then the rest of its passes.
//
// What they read is constant within a stage, or lies in tensors that stay where they are: weights,
// moments, the learning rate, the objective's controller, StepState. They know neither the number
// of the step nor anything else that the host counts, so that a device can record those of one step
// and repeat them as those of later ones (StepGraph).
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "comm/communicator.h"
#include "experiment/experiment.h"
#include "methods/objective.h"
#include "nn/model.h"
#include "plan/microbatches.h"
#include "train/bucketed_reduction.h"
#include "train/flat_optimizer.h"
#include "train/gradient_reducer.h"

namespace valley {

struct TrainedNetwork {
  FlatGroup group;
  std::unique_ptr<FlatOptimizer> optimizer;
};

// Holds back what changes networks, their averages and moments while something else still reads
// them.
class ChangeGate {
 public:
  // The next `pass` calls `until_read`, which returns when the reading is done.
  void close(std::function<void()> until_read) { until_read_ = std::move(until_read); }
  // Whoever changes them passes first.
  void pass() {
    if (until_read_) std::exchange(until_read_, nullptr)();
  }

 private:
  std::function<void()> until_read_;
};

// What tells one step from another, on the device; always the same tensors.
struct StepState {
  explicit StepState(at::Device device);
  at::Tensor position;    // int64 []: index, in training order, of the global batch's first image
  at::Tensor not_finite;  // int32 []: set for good by a step whose gradients are not
  at::Tensor stop;        // float []: 1 where this rank was asked to stop
  std::unique_ptr<ChangeGate> changes = std::make_unique<ChangeGate>();
};

// A rank's share of a global batch, on the device.
struct BatchShare {
  at::Tensor pixels;  // uint8 [share, H, W, C]
  at::Tensor labels;  // int64 [share], or undefined
};

// What a step's passes give to the host's part of the step, on the device.
struct StepSums {
  GlobalSums sums;  // over all ranks
  at::Tensor stop;  // float []: how many ranks were asked to stop
};

class StepPasses {
 public:
  // All must outlive this.
  StepPasses(const Experiment& experiment, const MicrobatchPlan& plan, Communicator& communicator,
             const Model& model, Objective& objective, const StepState& state,
             const std::vector<std::unique_ptr<TrainedNetwork>>& networks);

  // Collective. `momentum`: of running statistics. `traces` may be null.
  [[nodiscard]] StepSums run(const Stage& stage, double momentum, const BatchShare& share,
                             SampleTraces* traces);

  // Host time spent on waiting for reductions; means something on CPUs only.
  [[nodiscard]] double comm_seconds() const { return comm_seconds_; }
  // Buckets whose reduction began inside the backward pass of the last phase; 0 without overlap.
  [[nodiscard]] std::int64_t early_reductions() const {
    return overlap_ ? overlap_->started_early() : 0;
  }

 private:
  // The batch at hand, and what a phase of its stage does with it.
  struct Batch {
    const BatchShare& share;
    SampleTraces* traces;
  };
  struct OpenPhase {
    const Phase& phase;
    bool overlaps;                    // its reduction, with its own and later passes
    std::vector<at::Tensor> buffers;  // what is reduced, and by what
    std::vector<GradientReducer*> reducers;
    at::Tensor tail;                  // float [kTail], of the first buffer
    at::Tensor sums;                  // float [sums_of(phase).size()], its beginning
    std::optional<Microbatch> first;  // with what was passed ahead of it
  };

  void overlap_reductions();
  [[nodiscard]] OpenPhase open(const Phase& phase);
  [[nodiscard]] OpenPhase open_ahead(const Phase& phase, const Batch& batch);
  void pass(OpenPhase& open, const Batch& batch);
  void begin_reduction(const OpenPhase& open);
  void finish_reduction(const OpenPhase& open);
  void update(const Phase& phase, double momentum);
  [[nodiscard]] Microbatch microbatch(const Batch& batch, std::int64_t index) const;
  void set_trainable(const Phase& phase) const;

  const Experiment& experiment_;
  const MicrobatchPlan& plan_;
  Communicator& communicator_;
  const Model& model_;
  Objective& objective_;
  const StepState& state_;
  const std::vector<std::unique_ptr<TrainedNetwork>>& networks_;
  // One a network, and a last one for phases that only measure.
  std::vector<std::unique_ptr<GradientReducer>> reducers_;
  std::unique_ptr<BucketedReduction> overlap_;  // null: reductions wait for the backward pass
  at::Tensor measured_;  // float [kTail]: sums of a phase that updates nothing
  double comm_seconds_ = 0;
};

}  // namespace valley
