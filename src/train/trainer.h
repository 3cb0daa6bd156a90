// The training step, for every model and objective: the one place where networks, gradients, ranks
// and optimizers meet.
//
// All ranks construct a Trainer alike and call `step` in lockstep (it is collective). A step queues
// work on the device and does not wait for it; what the host needs to know of a step (not finite,
// asked to stop) is read a few steps later, the same number of steps on all ranks.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "comm/communicator.h"
#include "models/model.h"
#include "objectives/objective.h"
#include "storage/checkpoint.h"
#include "train/batch_upload.h"
#include "train/experiment.h"
#include "train/flat_optimizer.h"
#include "train/gradient_reducer.h"
#include "train/microbatches.h"
#include "train/rate_schedule.h"
#include "train/step_status.h"

namespace valley {

class Trainer {
 public:
  // `experiment` is resolved. `images`: of the data set. Weights are those of train.seed. A model
  // or objective that the registries do not know may be passed in by tests.
  Trainer(const Experiment& experiment, const MicrobatchPlan& plan, Communicator& communicator,
          std::uint64_t images);
  Trainer(const Experiment& experiment, const MicrobatchPlan& plan, Communicator& communicator,
          std::uint64_t images, ObjectiveFactory make);

  // One step on this rank's share: pixels uint8 [share, H, W, C], on the host (pinned or not), free
  // to be written again when this returns. `stop`: this rank was asked to stop.
  // `labels`: int64 [share], for objectives that need them.
  void step(const at::Tensor& pixels, bool stop, const at::Tensor& labels = {});

  [[nodiscard]] std::int64_t steps_done() const { return steps_done_; }
  [[nodiscard]] std::int64_t images_seen() const { return steps_done_ * plan_.global_batch; }
  [[nodiscard]] std::int64_t forwarded() const {
    return forwarded_;
  }  // real images that this rank passed through
  [[nodiscard]] double comm_seconds() const {
    return comm_seconds_;
  }  // host time in reductions; CPU ranks only

  // After a step that was not finite: counts again from `step`, the last one before it. Networks
  // and moments stand as they did when the first phase of it failed; earlier phases of it were
  // taken.
  void rewind_to(std::int64_t step);

  // What is known by now about steps past; with `wait`, about all of them. The same on every rank.
  [[nodiscard]] StepStatus status(bool wait);

  struct Value {
    std::string name, short_name;
    double value;
  };
  [[nodiscard]] std::vector<Value> report() const;  // of the last step; waits for the device

  // The reduced gradients of the last step by tensor name, on the CPU (for tests and diagnosis).
  [[nodiscard]] TensorMap gradients() const;

  // Generated pixels for seeds 0 .. n-1, from the averaged generator where there is one: uint8 [n,
  // H, W, C] on the host.
  [[nodiscard]] at::Tensor sample(std::int64_t n) const;
  // What the stage of the last step measures of images, without learning from them. pixels: uint8
  // [n, H, W, C], labels: int64 [n] where the objective needs them, both on the host; `first`:
  // index of the first among all that are measured. Several threads may call at once on CPUs.
  [[nodiscard]] ImageMeasures measure(const at::Tensor& pixels, const at::Tensor& labels,
                                      std::int64_t first) const;
  // The name of its phase.
  [[nodiscard]] const std::string& stage_name() const { return last_stage().phases.front().name; }

  [[nodiscard]] const Model& model() const { return *model_; }
  // What `sample` draws from where a generator makes the samples.
  [[nodiscard]] const Model& sampled_model() const {
    return average_model_ ? *average_model_ : *model_;
  }
  [[nodiscard]] const Objective& objective() const { return *objective_; }
  [[nodiscard]] const MicrobatchPlan& plan() const { return plan_; }

  // SHA-256 over all parameters and the objective's state: equal on all ranks, always.
  [[nodiscard]] std::string digest() const;

  // What the objective keeps by microbatch, of all ranks in order; complete on rank 0. Collective.
  [[nodiscard]] TensorMap gather_owned() const;

  // What the last step's end of an epoch had to say; once.
  [[nodiscard]] std::optional<EpochReport> take_epoch_report() {
    return std::exchange(epoch_report_, std::nullopt);
  }

  // Everything that training continues from; tensors are copies on the CPU. `fingerprint`: of the
  // data. `owned`: of gather_owned.
  [[nodiscard]] Checkpoint snapshot(const Schema& schema, const std::string& fingerprint,
                                    const TensorMap& owned = {}) const;
  // Error kData naming `where` for anything missing or of another shape; kConfig listing keys that
  // differ from the checkpoint's, or when the data are others.
  void restore(const Checkpoint& checkpoint, const Schema& schema, const std::string& fingerprint,
               const std::string& where);

 private:
  struct Trained {
    FlatGroup group;
    std::unique_ptr<FlatOptimizer> optimizer;
  };
  // A rank's share of a global batch, on the device.
  struct Share {
    at::Tensor pixels;
    at::Tensor labels;
  };
  struct StagePlace {
    const Stage& stage;
    std::int64_t step;  // within it
  };
  [[nodiscard]] StagePlace stage_at(std::int64_t step) const;
  [[nodiscard]] const Stage& last_stage() const {
    return stage_at(steps_done_ > 0 ? steps_done_ - 1 : 0).stage;
  }
  void run_phase(const StagePlace& place, const Phase& phase, const Share& share, bool stop);
  void run_microbatch(const Phase& phase, const Share& share, std::int64_t index,
                      const at::Tensor& sums);
  void set_trainable(const Phase& phase) const;
  [[nodiscard]] bool is_report_step() const;
  void finish_step();
  void close_epoch();
  [[nodiscard]] Trained& trained(const std::string& name);

  const Experiment& experiment_;
  MicrobatchPlan plan_;
  Communicator& communicator_;
  std::uint64_t images_;
  std::unique_ptr<Model> model_;
  std::unique_ptr<Model>
      average_model_;  // the averaged networks live in it; null without averaging
  std::vector<std::unique_ptr<Trained>> trained_;
  std::vector<std::unique_ptr<FlatGroup>> averages_;
  std::unique_ptr<Objective> objective_;
  std::vector<Stage> stages_;
  RateSchedule rates_;
  std::vector<std::unique_ptr<GradientReducer>>
      reducers_;           // one a network, and a last one for phases that only measure
  at::Tensor measured_;    // float [kTail]: sums of a phase that updates nothing
  at::Tensor position_;    // int64 [] on the device
  at::Tensor not_finite_;  // int32 [] on the device
  at::Tensor stop_;        // float [] on the device: how many ranks were asked to stop
  StatusQueue statuses_;
  BatchUpload upload_;
  std::optional<SampleTraces> traces_;       // of the last step, where it is reported
  std::optional<EpochReport> epoch_report_;  // of an epoch that ended with the last step
  GlobalSums sums_;                          // of the last step
  GlobalSums epoch_sums_;                    // double, of objectives that count in epochs
  std::int64_t steps_done_ = 0;
  std::int64_t forwarded_ = 0;
  double comm_seconds_ = 0;
};

// Error kConfig listing keys that differ from those in a state file's `metadata`, or when the data
// (at `data_path`, with `fingerprint`) are others. `where`: the checkpoint, for messages.
void require_same_training(const std::map<std::string, std::string>& metadata, const Schema& schema,
                           const std::string& data_path, const std::string& fingerprint,
                           const std::string& where);

}  // namespace valley
