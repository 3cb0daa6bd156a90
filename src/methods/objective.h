// A loss and its controller. An objective knows networks and fills their gradients; it knows no
// ranks, no optimizer, no files.
//
// The trainer runs a step as: for each phase of the stage { zero the gradients of the networks it
// updates; call accumulate_gradients for each of this rank's microbatches; sum gradients and `sums`
// over all ranks; step }, then update_controller with the global sums. Adversarial,
// contrastive-divergence and supervised training all fit: what counts is only that gradients get
// filled.
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

// Networks stepped together after one accumulation; none: the phase only measures.
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
  bool resets_optimizers = false;    // of the networks that it updates, at its first step
  bool averages_statistics = false;  // running statistics become their means over the stage

  // Factor of the learning rate in step `step` of the stage, from 0. With n intervals of
  // decay_every steps, the e-th (from 1) has 1 - e / (n + 1).
  [[nodiscard]] double lr_scale_at(std::int64_t step) const;
};

// One number a sample of the global batch, by name: reports state their quantiles.
class SampleTraces {
 public:
  SampleTraces(std::vector<std::string> names, std::int64_t global_batch, at::Device device);
  [[nodiscard]] const std::vector<std::string>& names() const { return names_; }
  // float [names, global batch]; zero where no microbatch of this rank wrote.
  [[nodiscard]] const at::Tensor& values() const { return values_; }
  void write(const std::string& name, std::int64_t offset, const at::Tensor& values);
  // Whether any microbatch of this rank wrote names()[i]: not every stage has every number.
  [[nodiscard]] bool is_written(std::size_t i) const { return written_[i]; }

 private:
  std::vector<std::string> names_;
  std::vector<bool> written_;
  at::Tensor values_;
};

// A part of the global batch that one rank takes in one pass. Terms that couple samples are defined
// within it.
class Microbatch {
 public:
  struct Place {
    std::uint64_t seed = 0;
    at::Tensor position;  // int64 [] on the device: index, in training order, of the global batch's
                          // first sample
    std::int64_t offset = 0;  // of this microbatch's first sample in the global batch
    std::int64_t size = 0;    // samples
    double weight = 1;        // size / global batch: the share of its mean in the global mean
  };
  // images: float [size, C, H, W] on the device, in the model's range. `traces`: where numbers of
  // single samples go, if they are wanted now. labels: int64 [size] on the device, or undefined.
  Microbatch(at::Tensor images, Place place, SampleTraces* traces = nullptr, at::Tensor labels = {})
      : images_(std::move(images)),
        labels_(std::move(labels)),
        place_(std::move(place)),
        traces_(traces) {}

  [[nodiscard]] const at::Tensor& images() const { return images_; }
  // Classes from 0 on; only for objectives that need them.
  [[nodiscard]] const at::Tensor& labels() const { return labels_; }
  [[nodiscard]] std::int64_t size() const { return place_.size; }
  [[nodiscard]] double weight() const { return place_.weight; }
  [[nodiscard]] const Place& place() const { return place_; }
  // Of all microbatches of the global batch.
  [[nodiscard]] std::int64_t index() const { return place_.offset / place_.size; }
  // float [size, draw.size]: a function of seed, stream and each sample's position alone.
  [[nodiscard]] at::Tensor latents(RandomStream stream, const LatentDraw& draw) const;

  // For Objective::pass_ahead: `made` of this microbatch's latents of `stream`, with its graph.
  void keep_ahead(RandomStream stream, at::Tensor made);
  // What was kept of that stream; undefined where nothing was.
  [[nodiscard]] at::Tensor kept_ahead(RandomStream stream) const;

  // Whether `trace` does something: what it is given need not be computed otherwise.
  [[nodiscard]] bool is_traced() const { return traces_ != nullptr; }
  // Notes one number a sample under a name of Objective::traces(): `values` [size].
  void trace(const std::string& name, const at::Tensor& values) const;

 private:
  at::Tensor images_;
  at::Tensor labels_;
  Place place_;
  SampleTraces* traces_;
  std::optional<RandomStream> ahead_of_;  // what ahead_ was made of
  at::Tensor ahead_;
};

// One number of a report, a scalar on the device: reading it is left to who needs it.
struct ReportValue {
  std::string name;        // of stats.jsonl: "energy/real"
  std::string short_name;  // of the progress line: "L(x)"; empty: not shown there
  at::Tensor value;
};

// A line about an epoch, for stats.jsonl: numbers and words by name, in order; infinite numbers are
// null there.
using EpochReport = std::vector<std::pair<std::string, std::variant<double, std::string>>>;

// Sums over the samples of the global batch, by phase: float [sums_of(phase).size()] on the device.
using GlobalSums = std::map<std::string, at::Tensor>;

// Names and values of measures of single images: float [size] each.
using ImageMeasures = std::vector<std::pair<std::string, at::Tensor>>;

class Objective {
 public:
  virtual ~Objective() = default;

  [[nodiscard]] virtual std::vector<Stage> stages() const = 0;

  // What accumulate_gradients adds up in this phase, by name; at most kMaxSums.
  static constexpr std::int64_t kMaxSums = 32;
  [[nodiscard]] virtual std::vector<std::string> sums_of(const Phase& phase) const = 0;

  // Adds d(weight * loss of this microbatch)/d(parameters) to .grad of the networks that `phase`
  // updates (the only ones that require gradients now), and this microbatch's sums to `sums`
  // [sums_of(phase).size()]. Never synchronises with the host.
  virtual void accumulate_gradients(const Phase& phase, const Microbatch& microbatch,
                                    const at::Tensor& sums) = 0;

  // Does what accumulate_gradients(phase, microbatch) begins with and keeps it in the microbatch,
  // which that call is given next; the results have the same bits without. Called in place of
  // idling while gradients of the stage's phase before are summed over ranks: reads neither the
  // networks that it updates nor its sums, takes no backward pass, never synchronises with the
  // host. Only for phases that update none of those networks.
  virtual void pass_ahead(const Phase& /*phase*/, Microbatch& /*microbatch*/) const {}

  // Once a step, after all phases, from sums over all ranks. On the device, without a host
  // synchronisation.
  virtual void update_controller(const GlobalSums& sums) = 0;

  // Objectives that count in epochs of exactly floor(N / global_batch) steps: called after each
  // with the epoch's sums in double precision on the host, by phase.
  [[nodiscard]] virtual bool has_epochs() const { return false; }
  virtual EpochReport end_epoch(const GlobalSums& /*sums_in_double*/) { return {}; }

  // Whether accumulate_gradients queues the same work in each step of a stage, with all that
  // differs read from tensors that stay where they are: then a device can repeat it without the
  // host.
  [[nodiscard]] virtual bool repeats_on_device() const { return false; }

  // True if accumulate_gradients runs chains whose step a device can repeat without the host, where
  // whole steps of training cannot be repeated. `record_chains_with` gives the graph for it; the
  // results have the same bits with and without.
  [[nodiscard]] virtual bool records_chains() const { return false; }
  virtual void record_chains_with(std::unique_ptr<WorkGraph> /*graph*/) {}

  // What accumulate_gradients traces of single samples: "energy/real".
  [[nodiscard]] virtual std::vector<std::string> traces() const { return {}; }

  // uint8 [at most n, H, W, C] on the host: samples of the objective's own chains, on the rank that
  // owns the first microbatch; none where a generator makes them.
  [[nodiscard]] virtual std::optional<at::Tensor> samples(std::int64_t /*n*/) const {
    return std::nullopt;
  }

  // Whether `measure` finds anything in any stage.
  [[nodiscard]] virtual bool measures() const { return false; }

  // What a stage measures of images, such as those of a validation set, without learning from them;
  // nothing where it has no such measures. The names do not depend on the images, and several
  // threads may call at once on CPUs. What is random is drawn for place().position + offset + i,
  // from streams of its own.
  [[nodiscard]] virtual ImageMeasures measure(const Stage& /*stage*/,
                                              const Microbatch& /*images*/) const {
    return {};
  }

  // Of the last step; valid after update_controller.
  [[nodiscard]] virtual std::vector<ReportValue> report() const = 0;
  // The measure that falls while training converges (double [] on the device), for learning-rate
  // schedules; if there is one.
  [[nodiscard]] virtual std::optional<at::Tensor> convergence() const { return std::nullopt; }

  // What may be wrong, in words, with a step whose gradients were not finite: an objective can make
  // them so to end a training that has gone astray.
  [[nodiscard]] virtual std::string divergence() const {
    return "a loss or gradient is not finite";
  }

  // All state that training continues from; names start with "objective.".
  virtual void save(TensorMap& state) const = 0;
  virtual void load(const TensorMap& state, const std::string& where) = 0;

  // State that belongs to microbatches, such as replay buffers: tensors whose first dimension
  // counts this rank's microbatches. Checkpoints hold those of all ranks in order, so that
  // `load_owned` gets what any number of ranks saved: tensors of all microbatches, of which it
  // takes its own.
  [[nodiscard]] virtual TensorMap save_owned() const { return {}; }
  virtual void load_owned(const TensorMap& /*state*/, const std::string& /*where*/) {}
};

}  // namespace valley
