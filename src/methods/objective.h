// A loss and its controller. An objective computes gradients of networks; it does not depend on
// ranks, optimizers or files.
//
// The trainer runs a step as: for each phase of the stage { zero the gradients of the networks it
// updates; call accumulate_gradients for each of this rank's microbatches; sum gradients and `sums`
// over all ranks; step }, then update_controller with the global sums. This covers adversarial,
// contrastive-divergence and supervised training.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "core/philox.h"
#include "kernels/work_graph.h"
#include "nn/sampling.h"
#include "storage/safetensors.h"

namespace valley {

// Networks that are updated together after one accumulation; none: the phase only measures.
struct Phase {
  std::string name;                  // "D"
  std::vector<std::string> updates;  // names of networks
};

struct Stage {
  std::string name;
  std::int64_t length = 0;  // steps; 0: until training ends
  std::vector<Phase> phases;
  double lr_scale = 1;               // factor of the learning rate
  std::int64_t decay_every = 0;      // steps between decreases of a linear decay to 0; 0: no decay
  double max_momentum = 1;           // upper bound of sgd's momentum
  bool resets_optimizers = false;    // at its first step, for the networks that it updates
  bool averages_statistics = false;  // running statistics become their means over the stage

  // Factor of the learning rate in step `step` of the stage, from 0. With n intervals of
  // decay_every steps, the e-th (from 1) has 1 - e / (n + 1).
  [[nodiscard]] double lr_scale_at(std::int64_t step) const;
};

// Per-sample metrics of the global batch, by name; reports show their quantiles.
class SampleMetrics {
 public:
  SampleMetrics(std::vector<std::string> names, std::int64_t global_batch, at::Device device);
  [[nodiscard]] const std::vector<std::string>& names() const { return names_; }
  // float [names, global batch]; zero where no microbatch of this rank wrote a value.
  [[nodiscard]] const at::Tensor& values() const { return values_; }
  void write(const std::string& name, std::int64_t offset, const at::Tensor& values);
  // True if a microbatch of this rank wrote names()[i]; not every stage has every metric.
  [[nodiscard]] bool is_written(std::size_t i) const { return written_[i]; }

 private:
  std::vector<std::string> names_;
  std::vector<bool> written_;
  at::Tensor values_;
};

// A part of the global batch that one rank processes at a time. Terms that couple samples are
// defined within it.
class Microbatch {
 public:
  struct Place {
    std::uint64_t seed = 0;
    at::Tensor position;  // int64 [] on the device: index, in training order, of the global batch's
                          // first sample
    std::int64_t offset = 0;  // index of this microbatch's first sample in the global batch
    std::int64_t size = 0;    // samples
    double weight = 1;        // size / global batch: the share of its mean in the global mean
  };
  // images: float [size, C, H, W] on the device, in the model's range. `metrics`: receives
  // per-sample metrics; null: none are recorded. labels: int64 [size] on the device, or undefined.
  Microbatch(at::Tensor images, Place place, SampleMetrics* metrics = nullptr,
             at::Tensor labels = {})
      : images_(std::move(images)),
        labels_(std::move(labels)),
        place_(std::move(place)),
        metrics_(metrics) {}

  [[nodiscard]] const at::Tensor& images() const { return images_; }
  // Classes, from 0; only for objectives that need them.
  [[nodiscard]] const at::Tensor& labels() const { return labels_; }
  [[nodiscard]] std::int64_t size() const { return place_.size; }
  [[nodiscard]] double weight() const { return place_.weight; }
  [[nodiscard]] const Place& place() const { return place_; }
  // Index among the microbatches of the global batch.
  [[nodiscard]] std::int64_t index() const { return place_.offset / place_.size; }
  // float [size, draw.size], a function of seed, stream and each sample's position.
  [[nodiscard]] at::Tensor latents(RandomStream stream, const LatentDraw& draw) const;

  // For Objective::prefetch: stores `images`, generated from this microbatch's latents of `stream`,
  // with their autograd graph.
  void store_prefetched(RandomStream stream, at::Tensor images);
  // The images stored for `stream`; undefined if there are none.
  [[nodiscard]] at::Tensor prefetched(RandomStream stream) const;

  // True if `record_metric` has an effect; otherwise its argument need not be computed.
  [[nodiscard]] bool wants_metrics() const { return metrics_ != nullptr; }
  // Records `values` [size] under a name from Objective::sample_metrics().
  void record_metric(const std::string& name, const at::Tensor& values) const;

 private:
  at::Tensor images_;
  at::Tensor labels_;
  Place place_;
  SampleMetrics* metrics_;
  std::optional<RandomStream> prefetched_stream_;  // stream of prefetched_
  at::Tensor prefetched_;
};

// A value of a report, a scalar on the device; the reader synchronizes.
struct ReportValue {
  std::string name;        // in stats.jsonl: "energy/real"
  std::string short_name;  // in the progress line: "L(x)"; empty: not shown
  at::Tensor value;
};

// A line about an epoch for stats.jsonl: numbers and strings by name, in order. Infinite numbers
// are written as null.
using EpochReport = std::vector<std::pair<std::string, std::variant<double, std::string>>>;

// Sums over the samples of the global batch, by phase: float [sums_of(phase).size()] on the device.
using GlobalSums = std::map<std::string, at::Tensor>;

// Names and values of per-image metrics, float [size] each.
using ImageMeasures = std::vector<std::pair<std::string, at::Tensor>>;

class Objective {
 public:
  virtual ~Objective() = default;

  [[nodiscard]] virtual std::vector<Stage> stages() const = 0;

  // Names of the sums that accumulate_gradients adds to in this phase; at most kMaxSums.
  static constexpr std::int64_t kMaxSums = 32;
  [[nodiscard]] virtual std::vector<std::string> sums_of(const Phase& phase) const = 0;

  // Adds d(weight * loss of this microbatch)/d(parameters) to .grad of the networks that `phase`
  // updates (only these require gradients now), and this microbatch's sums to `sums`
  // [sums_of(phase).size()]. No host synchronization.
  virtual void accumulate_gradients(const Phase& phase, const Microbatch& microbatch,
                                    const at::Tensor& sums) = 0;

  // The inputs of accumulate_gradients that only this rank has, such as the starts of its chains,
  // so that another rank can repeat the computation: tensors of equal shape on all ranks.
  [[nodiscard]] virtual TensorMap own_inputs(const Phase& /*phase*/,
                                             const Microbatch& /*microbatch*/) const {
    return {};
  }
  // Does what accumulate_gradients does for a microbatch of any rank, from the own_inputs of that
  // rank, without a change of the objective's state. For audits (train/audit.h).
  virtual void repeat_gradients(const Phase& phase, const Microbatch& microbatch,
                                const TensorMap& /*own_inputs*/, const at::Tensor& sums) {
    accumulate_gradients(phase, microbatch, sums);
  }

  // Runs the first part of accumulate_gradients(phase, microbatch) and stores its result in the
  // microbatch, which is then passed to that call; results are bitwise equal with and without.
  // Called while gradients of the previous phase are summed over ranks: it must not read the
  // networks that the previous phase updates or its sums, run a backward pass or synchronize with
  // the host. Only for phases that update none of those networks.
  virtual void prefetch(const Phase& /*phase*/, Microbatch& /*microbatch*/) const {}

  // Called once per step, after all phases, with sums over all ranks. No host synchronization.
  virtual void update_controller(const GlobalSums& sums) = 0;

  // True if the objective has epochs of exactly floor(N / global_batch) steps; end_epoch is then
  // called after each with the epoch's sums by phase, in double precision on the host.
  [[nodiscard]] virtual bool has_epochs() const { return false; }
  virtual EpochReport end_epoch(const GlobalSums& /*sums_in_double*/) { return {}; }

  // True if accumulate_gradients launches the same kernels in each step of a stage and reads all
  // that changes from tensors with fixed addresses, so that a CUDA graph can capture it.
  [[nodiscard]] virtual bool is_graph_capturable() const { return false; }

  // True if a graph can capture a step of the chains in accumulate_gradients, but not a whole
  // training step. `record_chains_with` passes the graph; results are bitwise equal with and
  // without.
  [[nodiscard]] virtual bool records_chains() const { return false; }
  virtual void record_chains_with(std::unique_ptr<WorkGraph> /*graph*/) {}

  // Names of the per-sample metrics that accumulate_gradients records: "energy/real".
  [[nodiscard]] virtual std::vector<std::string> sample_metrics() const { return {}; }

  // Samples from the objective's chains: uint8 [at most n, H, W, C] on the host, on the rank with
  // the first microbatch; nullopt if the model has a generator.
  [[nodiscard]] virtual std::optional<at::Tensor> samples(std::int64_t /*n*/) const {
    return std::nullopt;
  }

  // True if `measure` returns metrics in some stage.
  [[nodiscard]] virtual bool measures() const { return false; }

  // Metrics of images that are not trained on, such as a validation set; empty if the stage has
  // none. Names do not depend on the images. Thread-safe on CPUs. Random values are drawn at
  // place().position + offset + i, from separate streams.
  [[nodiscard]] virtual ImageMeasures measure(const Stage& /*stage*/,
                                              const Microbatch& /*images*/) const {
    return {};
  }

  // Values of the last step; valid after update_controller.
  [[nodiscard]] virtual std::vector<ReportValue> report() const = 0;
  // Measure that decreases while training converges (double [] on the device), for learning-rate
  // schedules; nullopt if there is none.
  [[nodiscard]] virtual std::optional<at::Tensor> convergence() const { return std::nullopt; }

  // Possible causes, for messages, of gradients that are not finite. An objective can return such
  // gradients to end a run that diverges.
  [[nodiscard]] virtual std::string divergence() const {
    return "a loss or gradient is not finite";
  }

  // State for resuming; names start with "objective.".
  virtual void save(TensorMap& state) const = 0;
  virtual void load(const TensorMap& state, const std::string& where) = 0;

  // State per microbatch, such as replay buffers: tensors whose first dimension is this rank's
  // microbatches. Checkpoints have those of all ranks in order; `load_owned` gets the tensors of
  // all microbatches, whatever the number of ranks that saved them, and reads its own.
  [[nodiscard]] virtual TensorMap save_owned() const { return {}; }
  virtual void load_owned(const TensorMap& /*state*/, const std::string& /*where*/) {}
};

}  // namespace valley
