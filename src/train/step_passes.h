// The passes of a step: forward, backward, reductions and the optimizers' updates.
//
// With overlapped reductions, two consecutive phases that update different networks overlap as
// well: Objective::prefetch runs part of the next phase's first microbatch during the reduction
// of the previous phase. The updates of the previous phase follow, then the remaining passes.
//
// CUDA-graph-capturable: the inputs are constant within a stage or lie in tensors that keep their
// address (weights, moments, the learning rate, the objective's controller, StepState). No kernel
// argument depends on the step number or on another counter of the host (see StepGraph).
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
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
#include "train/step_audit.h"

namespace valley {

struct TrainedNetwork {
  FlatGroup group;
  std::unique_ptr<FlatOptimizer> optimizer;
};

// Delays changes of networks, averages and moments while a snapshot still reads them.
class ChangeGate {
 public:
  // The next `wait` calls `until_read`, which returns when the reading is done.
  void close(std::function<void()> until_read) { until_read_ = std::move(until_read); }
  // Call before any change of networks, averages or moments.
  void wait() {
    if (until_read_) std::exchange(until_read_, nullptr)();
  }

 private:
  std::function<void()> until_read_;
};

// The state that differs between steps, on the device; always the same tensors.
struct StepState {
  explicit StepState(at::Device device);
  at::Tensor position;    // int64 []: index, in training order, of the global batch's first image
  at::Tensor not_finite;  // int32 []: set permanently by a step with gradients that are not finite
  at::Tensor requests;    // float []: of this rank (encode_requests in step_status.h)
  std::unique_ptr<ChangeGate> changes = std::make_unique<ChangeGate>();
  // Key of the random values of a step; constant in recorded graphs.
  std::uint64_t seed = 0;
};

// A rank's share of a global batch, on the device.
struct BatchShare {
  at::Tensor pixels;  // uint8 [share, H, W, C]
  at::Tensor labels;  // int64 [share], or undefined
};

// The results of a step's passes, on the device.
struct StepSums {
  GlobalSums sums;      // over all ranks
  at::Tensor requests;  // float []: the sum over all ranks
};

class StepPasses {
 public:
  // All arguments must outlive this object.
  StepPasses(const Experiment& experiment, const MicrobatchPlan& plan, Communicator& communicator,
             const Model& model, Objective& objective, const StepState& state,
             const std::vector<std::unique_ptr<TrainedNetwork>>& networks);

  // Collective. `momentum`: momentum of the running statistics. `sample_metrics` and `audit` may be
  // null; an audit throws CorruptionFound before the weights change.
  [[nodiscard]] StepSums run(const Stage& stage, double momentum, const BatchShare& share,
                             SampleMetrics* sample_metrics, StepAudit* audit = nullptr);

  // Seconds that the host waited for reductions; only meaningful on CPUs.
  [[nodiscard]] double comm_seconds() const { return comm_seconds_; }
  // Seconds of audits so far.
  [[nodiscard]] double audit_seconds() const { return audit_seconds_; }
  // Buckets whose reduction started during the backward pass of the last phase; 0 without overlap.
  [[nodiscard]] std::int64_t early_reductions() const {
    return overlap_ ? overlap_->started_early() : 0;
  }

 private:
  struct Batch {
    const BatchShare& share;
    SampleMetrics* sample_metrics;
  };
  struct OpenPhase {
    const Phase& phase;
    bool overlaps;                           // the reduction overlaps with passes
    std::vector<at::Tensor> buffers;         // buffers to reduce
    std::vector<GradientReducer*> reducers;  // one per buffer
    at::Tensor tail;                         // float [kTail]: view of the first buffer
    at::Tensor sums;                         // float [sums_of(phase).size()]: start of the tail
    std::optional<Microbatch> first;         // set by Objective::prefetch
  };

  void overlap_reductions();
  [[nodiscard]] OpenPhase open(const Phase& phase);
  [[nodiscard]] OpenPhase open_early(const Phase& phase, const Batch& batch);
  void pass(OpenPhase& open, const Batch& batch);
  void audit_gradients(const OpenPhase& open, const Batch& batch, StepAudit& audit);
  [[nodiscard]] Digests gradient_digests(const OpenPhase& open) const;
  void clear(const OpenPhase& open) const;
  void begin_reduction(const OpenPhase& open);
  void finish_reduction(const OpenPhase& open);
  void update(const Phase& phase, double momentum);
  [[nodiscard]] Microbatch microbatch(const Batch& batch, std::int64_t index) const;
  // Microbatch `index` of a rank's share.
  [[nodiscard]] Microbatch microbatch_of(int rank, std::int64_t index, const AuditImages& images,
                                         SampleMetrics* sample_metrics) const;
  void set_trainable(const Phase& phase) const;

  const Experiment& experiment_;
  const MicrobatchPlan& plan_;
  Communicator& communicator_;
  const Model& model_;
  Objective& objective_;
  const StepState& state_;
  const std::vector<std::unique_ptr<TrainedNetwork>>& networks_;
  // One per network, and a last one for phases that update no network.
  std::vector<std::unique_ptr<GradientReducer>> reducers_;
  std::unique_ptr<BucketedReduction> overlap_;  // null: reductions follow the backward pass
  at::Tensor measured_;  // float [kTail]: tail of phases that update no network
  double comm_seconds_ = 0;
  double audit_seconds_ = 0;
};

}  // namespace valley
