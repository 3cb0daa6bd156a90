// The training step, for every model and objective: the one place where networks, gradients, ranks
// and optimizers meet.
//
// All ranks construct a Trainer alike and call `step` in lockstep (it is collective). A step queues
// work on the device and does not wait for it; what the host needs to know of a step (not finite,
// asked to stop) is read a few steps later, the same number of steps on all ranks.
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
#include "train/batch_upload.h"
#include "train/rate_schedule.h"
#include "train/step_graph.h"
#include "train/step_passes.h"
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

  // One step on this rank's share: pixels uint8 [share, H, W, C], on the host (pinned or not) or
  // the device; what is on the host is free to be written again when this returns. `stop`: this
  // rank was asked to stop. `labels`: int64 [share], for objectives that need them.
  void step(const at::Tensor& pixels, bool stop, const at::Tensor& labels = {});

  [[nodiscard]] std::int64_t steps_done() const { return steps_done_; }
  [[nodiscard]] std::int64_t images_seen() const { return steps_done_ * plan_.global_batch; }
  [[nodiscard]] std::int64_t forwarded() const {
    return forwarded_;
  }  // real images that this rank passed through
  // Host time spent on waiting for reductions; CPU ranks only.
  [[nodiscard]] double comm_seconds() const { return passes_->comm_seconds(); }
  // Buckets whose reduction began inside the backward pass of the last phase; 0 without overlap.
  [[nodiscard]] std::int64_t early_reductions() const { return passes_->early_reductions(); }

  // Records steps from now on and repeats them, or the steps of chains where the objective records
  // those; performance.cuda_graph does it with a CUDA graph.
  void record_steps_with(std::unique_ptr<WorkGraph> graph);

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
  // The same from the weights that are trained, where `sample` draws from averaged ones of a
  // generator; else nothing.
  [[nodiscard]] std::optional<at::Tensor> sample_without_average(std::int64_t n) const;
  // What the stage of the last step measures of images, without learning from them. pixels: uint8
  // [n, H, W, C], labels: int64 [n] where the objective needs them, both on the host; `first`:
  // index of the first among all that are measured. Several threads may call at once on CPUs.
  [[nodiscard]] ImageMeasures measure(const at::Tensor& pixels, const at::Tensor& labels,
                                      std::int64_t first) const;
  // The name of its phase.
  [[nodiscard]] const std::string& stage_name() const { return last_stage().phases.front().name; }

  [[nodiscard]] const Model& model() const { return *model_; }
  // The model that `sample` draws from where a generator makes the samples. The running moments of
  // averaged weights are estimated by the first call after a step.
  [[nodiscard]] const Model& sampled_model() const;
  [[nodiscard]] const Objective& objective() const { return *objective_; }
  [[nodiscard]] const MicrobatchPlan& plan() const { return plan_; }

  // SHA-256 over all parameters and the objective's state: equal on all ranks, always.
  [[nodiscard]] std::string digest() const;
  // The CRC32C of each of these, in hexadecimal: also equal on all ranks, and quick to compute.
  [[nodiscard]] std::string checksum() const;

  // What the objective keeps by microbatch, of all ranks in order; complete on rank 0. Collective.
  [[nodiscard]] TensorMap gather_owned() const;

  // What the last step's end of an epoch had to say; once.
  [[nodiscard]] std::optional<EpochReport> take_epoch_report() {
    return std::exchange(epoch_report_, std::nullopt);
  }

  // Everything that training continues from; tensors are copies on the CPU. `fingerprint`: of the
  // data. `owned`: of gather_owned. The large copies are left to `later` where that is given:
  // `hold_changes` until they are made.
  [[nodiscard]] Checkpoint snapshot(const Schema& schema, const std::string& fingerprint,
                                    const TensorMap& owned = {},
                                    DeferredCopies* later = nullptr) const;
  // Calls `until_read` once, before networks, averages or moments change for the next time.
  void hold_changes(std::function<void()> until_read) {
    state_.changes->close(std::move(until_read));
  }
  // Error kData naming `where` for anything missing or of another shape; kConfig listing keys that
  // differ from the checkpoint's, or when the data are others.
  void restore(const Checkpoint& checkpoint, const Schema& schema, const std::string& fingerprint,
               const std::string& where);

 private:
  struct StagePlace {
    const Stage& stage;
    std::int64_t step;  // within it
  };
  [[nodiscard]] StagePlace stage_at(std::int64_t step) const;
  [[nodiscard]] const Stage& last_stage() const {
    return stage_at(steps_done_ > 0 ? steps_done_ - 1 : 0).stage;
  }
  void take_passes(const BatchShare& share);
  void record_steps();
  [[nodiscard]] bool is_report_step() const;
  void finish_step();
  void close_epoch();
  [[nodiscard]] TrainedNetwork& trained(const std::string& name);
  [[nodiscard]] at::Tensor draw(const Model& model, std::int64_t n) const;
  void estimate_average_moments() const;
  void run_beside_steps(const std::function<void()>& work) const;

  const Experiment& experiment_;
  MicrobatchPlan plan_;
  Communicator& communicator_;
  std::uint64_t images_;
  std::unique_ptr<Model> model_;
  std::unique_ptr<Model>
      average_model_;  // the averaged networks live in it; null without averaging
  std::vector<std::unique_ptr<TrainedNetwork>> trained_;
  std::vector<std::unique_ptr<FlatGroup>> averages_;
  std::unique_ptr<Objective> objective_;
  std::int64_t needed_labels_;
  std::vector<Stage> stages_;
  RateSchedule rates_;
  StepState state_;
  std::unique_ptr<StepPasses> passes_;
  std::unique_ptr<StepGraph> graph_;  // null: every step is queued by the host
  at::Tensor stop_;                   // float [] on the device: how many ranks were asked to stop
  StatusQueue statuses_;
  BatchUpload upload_;
  std::optional<SampleTraces> traces_;       // of the last step, where it is reported
  std::optional<EpochReport> epoch_report_;  // of an epoch that ended with the last step
  GlobalSums sums_;                          // of the last step
  GlobalSums epoch_sums_;                    // double, of objectives that count in epochs
  std::int64_t steps_done_ = 0;
  std::int64_t forwarded_ = 0;
  // The step whose averaged weights average_model_'s running moments belong to; -1: none.
  mutable std::int64_t moments_step_ = -1;
};

// Error kConfig listing keys that differ from those in a state file's `metadata`, or when the data
// (at `data_path`, with `fingerprint`) are others. `where`: the checkpoint, for messages.
void require_same_training(const std::map<std::string, std::string>& metadata, const Schema& schema,
                           const std::string& data_path, const std::string& fingerprint,
                           const std::string& where);

}  // namespace valley
