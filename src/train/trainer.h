// The training step, for every model and objective.
//
// All ranks construct a Trainer with the same arguments and call `step` in lockstep (it is
// collective). A step queues work on the device and does not wait for it; the host reads the status
// of a step (not finite, asked to stop) a few steps later, after the same number on all ranks.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <map>
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
#include "storage/checkpoint.h"
#include "train/audit.h"
#include "train/batch_upload.h"
#include "train/rate_schedule.h"
#include "train/step_graph.h"
#include "train/step_passes.h"
#include "train/step_status.h"

namespace valley {

class Trainer {
 public:
  // `experiment` is resolved. `images`: size of the data set. Weights are initialized from
  // train.seed. Tests pass `make` to use an objective that is not registered.
  Trainer(const Experiment& experiment, const MicrobatchPlan& plan, Communicator& communicator,
          std::uint64_t images);
  Trainer(const Experiment& experiment, const MicrobatchPlan& plan, Communicator& communicator,
          std::uint64_t images, ObjectiveFactory make);

  // One step on this rank's share of the batch. pixels: uint8 [share, H, W, C], on the host (pinned
  // or not) or the device; host memory may be overwritten when this returns. `stop`: this rank was
  // asked to stop. `labels`: int64 [share], for objectives that need them. With `audit`, ranks
  // compare their replicas, images and gradients, and CorruptionFound is thrown on all of them
  // before the weights change.
  void step(const at::Tensor& pixels, bool stop, const at::Tensor& labels = {},
            const AuditRequest* audit = nullptr);
  // Collective. Compares the complete state of training, except what belongs to one rank. Throws
  // CorruptionFound. `when`: "before step 7".
  void compare_replicas(const std::string& when) const;
  // Rank 0: the status of the next step asks all ranks for a checkpoint.
  void ask_for_checkpoint() { save_ = true; }

  [[nodiscard]] std::int64_t steps_done() const { return steps_done_; }
  [[nodiscard]] std::int64_t images_seen() const { return steps_done_ * plan_.global_batch; }
  // Real images that this rank has forwarded.
  [[nodiscard]] std::int64_t forwarded() const { return forwarded_; }
  // Seconds that the host waited for reductions; only meaningful on CPUs.
  [[nodiscard]] double comm_seconds() const { return passes_->comm_seconds(); }
  // True if an audit has found that gradients differ between ranks by rounding.
  [[nodiscard]] bool has_rounding() const { return has_rounding_; }
  // Seconds of audits so far.
  [[nodiscard]] double audit_seconds() const { return audit_seconds_ + passes_->audit_seconds(); }
  // Buckets whose reduction started during the backward pass of the last phase; 0 without overlap.
  [[nodiscard]] std::int64_t early_reductions() const { return passes_->early_reductions(); }

  // From now on records and replays steps with `graph`, or the steps of chains if the objective
  // records those. With performance.cuda_graph, `graph` is a CUDA graph.
  void record_steps_with(std::unique_ptr<WorkGraph> graph);

  // After a step that was not finite: resets the step count to `step`, the last step before it.
  // Networks and moments keep the state from before the first phase that was not finite, which
  // includes the updates of earlier phases of the same step.
  void rewind_to(std::int64_t step);

  // The status of past steps as far as it is known, with `wait` of all of them. Equal on all ranks.
  [[nodiscard]] StepStatus status(bool wait);

  struct Value {
    std::string name, short_name;
    double value;
  };
  // Metrics of the last step; waits for the device.
  [[nodiscard]] std::vector<Value> report() const;

  // The reduced gradients of the last step by tensor name, on the CPU (for tests and debugging).
  [[nodiscard]] TensorMap gradients() const;

  // Images generated for seeds 0 .. n-1, by the averaged generator if there is one: uint8 [n, H, W,
  // C] on the host.
  // `columns`: of the grid that they are for, whose rows are then classes and whose columns are
  // latent vectors, if the generator is conditional; 0: samples cycle through the classes.
  [[nodiscard]] at::Tensor sample(std::int64_t n, std::int64_t columns = 0) const;
  // The same from the trained weights, if `sample` uses an averaged generator; else nullopt.
  [[nodiscard]] std::optional<at::Tensor> sample_without_average(std::int64_t n,
                                                                 std::int64_t columns = 0) const;
  // Validation metrics of images in the stage of the last step. pixels: uint8 [n, H, W, C], labels:
  // int64 [n] if the objective needs them, both on the host. `first`: index of the first image
  // among all measured images. Thread-safe on CPUs.
  [[nodiscard]] ImageMeasures measure(const at::Tensor& pixels, const at::Tensor& labels,
                                      std::int64_t first) const;
  // The stage of the last step. Valid as long as the Trainer.
  [[nodiscard]] const Stage& last_stage() const {
    return stage_at(steps_done_ > 0 ? steps_done_ - 1 : 0).stage;
  }
  // Name of its first phase.
  [[nodiscard]] const std::string& stage_name() const { return last_stage().phases.front().name; }

  [[nodiscard]] const Model& model() const { return *model_; }
  // The model that `sample` uses if samples come from a generator. The first call after a step
  // estimates the running moments for the averaged weights.
  [[nodiscard]] const Model& sampled_model() const;
  [[nodiscard]] const Objective& objective() const { return *objective_; }
  [[nodiscard]] const MicrobatchPlan& plan() const { return plan_; }

  // SHA-256 of all parameters and the objective's state; equal on all ranks.
  [[nodiscard]] std::string digest() const;

  // The objective's state per microbatch, concatenated in rank order on rank 0 and on ranks that
  // want it, and empty on others. Collective.
  [[nodiscard]] TensorMap gather_owned(bool is_wanted = false) const;

  // Returns the report of an epoch that ended with the last step, and clears it.
  [[nodiscard]] std::optional<EpochReport> take_epoch_report() {
    return std::exchange(epoch_report_, std::nullopt);
  }

  // The complete training state, copied to the CPU. `fingerprint`: fingerprint of the data.
  // `owned`: result of gather_owned. With `later`, the large copies are made when that runs: call
  // `hold_changes` so that the next step waits for them.
  [[nodiscard]] Checkpoint snapshot(const Schema& schema, const std::string& fingerprint,
                                    const TensorMap& owned = {},
                                    DeferredCopies* later = nullptr) const;
  // Calls `until_read` once, before the next change of networks, averages or moments.
  void hold_changes(std::function<void()> until_read) {
    state_.changes->close(std::move(until_read));
  }
  // Before the first step or after any step. Errors: kData, naming `where`, for a missing tensor or
  // a wrong shape; kConfig, listing the keys that differ from the checkpoint's, or for different
  // data.
  void restore(const Checkpoint& checkpoint, const Schema& schema, const std::string& fingerprint,
               const std::string& where);

  // The result of `adopt`.
  struct Adopted {
    std::int64_t tensors = 0;              // taken
    std::vector<std::string> initialized;  // absent in the source, or another shape there
    std::vector<std::string> unused;       // tensors of the source
  };
  // Before the first step: takes the weights and buffers of `networks` (empty: all) where names and
  // shapes are equal; averages start from those of the source, or from the weights. `is_continued`:
  // adopt_state follows; otherwise buffers that depend on the step are those of step 0. Errors:
  // kConfig for a network that the model lacks, kData if no tensor fits.
  Adopted adopt(const TensorMap& model, const std::vector<std::string>& networks, bool is_continued,
                const std::string& where);
  // After `adopt`: also takes position, moments that fit, and the state of the objective; that of
  // the learning rate if its keys are unchanged. Errors: kConfig for another global batch or
  // objective, kData for state of another shape.
  void adopt_state(const Checkpoint& checkpoint, const Schema& schema, const std::string& where);

  // Multiplies all learning rates by `lr_scale`; checkpoints have it.
  void lower_learning_rate(double lr_scale) { rates_.set_scale(lr_scale, steps_done_); }
  // Number of rescues before the next step (run/rescue.h), which checkpoints have. Each number
  // gives other random values for the same steps, as lost steps would be lost again with the same
  // ones.
  void set_rescues(std::size_t count);
  [[nodiscard]] std::size_t rescues() const { return rescues_; }

  // Runs from which the weights come, the oldest first: a JSON array in the model's metadata; "":
  // none.
  [[nodiscard]] const std::string& lineage() const { return lineage_; }
  void set_lineage(std::string json) { lineage_ = std::move(json); }

 private:
  struct StagePlace {
    const Stage& stage;
    std::int64_t step;  // within the stage
  };
  [[nodiscard]] StagePlace stage_at(std::int64_t step) const;
  void forget_steps();
  void load_position(const TensorMap& state, const std::string& where);
  [[nodiscard]] AuditRequest request_for(const AuditRequest* audit) const;
  void run_passes(const BatchShare& share, const AuditRequest* audit);
  void record_steps();
  [[nodiscard]] bool is_report_step() const;
  void finish_step();
  void close_epoch();
  [[nodiscard]] TrainedNetwork& trained(const std::string& name);
  [[nodiscard]] at::Tensor draw(const Model& model, std::int64_t n, std::int64_t columns) const;
  void estimate_average_moments() const;
  void run_beside_steps(const std::function<void()>& work) const;

  const Experiment& experiment_;
  MicrobatchPlan plan_;
  Communicator& communicator_;
  std::uint64_t images_;
  std::unique_ptr<Model> model_;
  std::unique_ptr<Model> average_model_;  // owns the averaged networks; null without averaging
  std::vector<std::unique_ptr<TrainedNetwork>> trained_;
  std::vector<std::unique_ptr<FlatGroup>> averages_;
  std::unique_ptr<Objective> objective_;
  std::int64_t needed_labels_;
  std::vector<Stage> stages_;
  RateSchedule rates_;
  StepState state_;
  std::unique_ptr<StepPasses> passes_;
  std::unique_ptr<StepGraph> graph_;  // null: the host queues the kernels of every step
  at::Tensor requests_;               // float [] on the device: of all ranks (encode_requests)
  bool save_ = false;                 // of this rank, in the next step
  StatusQueue statuses_;
  BatchUpload upload_;
  std::optional<SampleMetrics> sample_metrics_;  // per-sample metrics of the last step, if reported
  std::optional<EpochReport> epoch_report_;      // set if the last step ended an epoch
  GlobalSums sums_;                              // sums of the last step
  GlobalSums epoch_sums_;                        // double; only for objectives with epochs
  std::int64_t steps_done_ = 0;
  std::int64_t forwarded_ = 0;
  std::string lineage_;
  std::size_t rescues_ = 0;
  double audit_seconds_ = 0;   // without those of passes_
  bool has_rounding_ = false;  // gradients differ between ranks by rounding
  // The step for which average_model_'s running moments were estimated; -1: none.
  mutable std::int64_t moments_step_ = -1;
};

// Number of rescues of the run before this checkpoint, from a state file's `metadata`.
[[nodiscard]] std::size_t rescues_before(const std::map<std::string, std::string>& metadata);

// Error kConfig, listing the keys that differ from those in a state file's `metadata`, or for data
// (at `data_path`, with `fingerprint`) other than the checkpoint's. `where`: the checkpoint, for
// messages.
void require_same_training(const std::map<std::string, std::string>& metadata, const Schema& schema,
                           const std::string& data_path, const std::string& fingerprint,
                           const std::string& where);

}  // namespace valley
