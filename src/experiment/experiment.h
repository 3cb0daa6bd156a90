// The options of an experiment, one struct per section of the config file, and the schema that
// binds and documents them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "core/config.h"
#include "core/error.h"
#include "data/loader.h"
#include "data/order.h"
#include "methods/registry.h"
#include "record/grid_size.h"

namespace valley {

enum class TrainingPrecision { kAuto, kFp32, kTf32, kBf16 };
enum class OptimizerName { kAdam, kAdamax, kSgd };
enum class LrSchedule { kConstant, kHalveOnStall, kStep, kLinear, kCosine };
enum class OnDivergence { kStop, kRescue };
enum class Switch { kAuto, kOn, kOff };
enum class DataCache { kAuto, kHost, kGpu, kNone };

// The names of these values in config files.
[[nodiscard]] std::vector<std::string> precision_names();
[[nodiscard]] std::vector<std::string> optimizer_names();
[[nodiscard]] std::vector<std::string> switch_names();
[[nodiscard]] std::vector<std::string> data_cache_names();
[[nodiscard]] std::string name_of(TrainingPrecision precision);
[[nodiscard]] std::string name_of(OptimizerName optimizer);

struct DataOptions {
  std::string path;        // also a weighted list of paths (core/weighted_list.h)
  std::string validation;  // "": none
  OrderKind order = OrderKind::kGlobal;
  Verify verify = Verify::kFirstEpoch;
  AutoInt decode_threads;
  DataCache cache = DataCache::kAuto;
  bool mirror = false;
};

struct TrainOptions {
  AutoInt steps;
  AutoInt epochs;
  AutoInt kimg;
  std::int64_t global_batch = 16;
  AutoInt microbatch;
  UpdateSchedule schedule = UpdateSchedule::kAlternating;
  TrainingPrecision precision = TrainingPrecision::kAuto;
  bool reproducible = false;
  std::int64_t seed = 0;
  std::int64_t report_every = 100;
  AutoInt threads;
  std::string device = "auto";
  double ema_half_life = 10000;
  double ema_ramp_up = 0.05;
  std::vector<std::string> freeze;  // see nn/tensor_pattern.h
  OnDivergence on_divergence = OnDivergence::kStop;
  double rescue_lr_factor = 0.5;
  std::int64_t max_rescues = 5;
  std::int64_t hang_timeout = 300;  // seconds; 0: none
  std::int64_t audit_every = 1000;  // steps; 0: never
  std::string trace;                // see experiment/trace_range.h; "": none
};

struct OptimizerOptions {
  OptimizerName name = OptimizerName::kAdam;
  double lr = 1e-4;
  double beta1 = 0.5;
  double beta2 = 0.999;
  double epsilon = 1e-8;
  bool bias_correction = true;
  double momentum = 0;
  double weight_decay = 0;
  double clip_norm = 0;  // 0: gradients are not clipped
  double generator_lr_scale = 1;
  std::int64_t warmup_steps = 0;
  LrSchedule lr_schedule = LrSchedule::kHalveOnStall;
  std::int64_t stall_window = 5000;
  std::int64_t stall_windows = 4;
  double stall_improvement = 0.01;
  double lr_floor = 0.125;
  std::int64_t step_every = 10000;
  double step_factor = 0.5;
  AutoInt decay_steps;
  double final_lr = 0;
};

struct CheckpointOptions {
  std::int64_t every = 5000;
  std::int64_t every_seconds = 600;  // 0: none
  std::int64_t keep = 3;
  bool background = true;
  std::string local;  // a folder on each host; "": no local copies
  std::int64_t local_every_seconds = 60;
};

struct SamplesOptions {
  std::int64_t every = 1000;
  std::string grid = "8x8";
};

struct EvaluateOptions {
  std::int64_t every = 0;
  std::int64_t samples = 1000;
  AutoInt validation_every;
  std::int64_t validation_images = 10000;
};

// Each switch selects one of two ways to compute a result; they agree up to rounding.
struct PerformanceOptions {
  bool fused_elu = true;
  bool folded_upsampling = true;
  bool winograd = true;
  bool narrow_convs = true;
  bool frozen_networks = true;
  bool bf16_shadow = true;
  Switch device_cache = Switch::kAuto;
  bool keep_memory = true;
  Switch overlap = Switch::kAuto;
  AutoInt bucket_mib;
  Switch cuda_graph = Switch::kAuto;
  std::int64_t rank_timeout = 600;
};

struct Experiment {
  // The defaults of one method, see Method::defaults; those of a default-constructed experiment are
  // BEGAN's. Error kConfig for an unknown name.
  [[nodiscard]] static Experiment with_defaults_of(const std::string& method);

  DataOptions data;
  ModelOptions model;
  ObjectiveOptions objective;
  AugmentOptions augment;
  TrainOptions train;
  OptimizerOptions optimizer;
  CheckpointOptions checkpoint;
  SamplesOptions samples;
  EvaluateOptions evaluate;
  PerformanceOptions performance;

  // Binds every key to this object, which must neither move nor be destroyed before the schema.
  [[nodiscard]] Schema schema();

  // Loads a file and overrides into `experiment`, whose defaults become those of the objective that
  // they name. Errors as Schema::load's.
  static Schema load(Experiment& experiment, const std::filesystem::path& file,
                     const std::vector<std::string>& overrides);

  // Checks combinations of keys (at most one length, a data path, ...) and replaces "auto" if the
  // value does not depend on the number of ranks. Error kConfig naming the keys.
  void resolve(const Schema& schema);

  // train.seed, for Philox.
  [[nodiscard]] std::uint64_t seed() const { return static_cast<std::uint64_t>(train.seed); }

  // Number of classes that the data must have labels of; 0: labels are not read.
  [[nodiscard]] std::int64_t needed_labels() const;
  // True if training images may lack such labels.
  [[nodiscard]] bool accepts_unlabeled() const;

  // Compute options of the networks during training.
  [[nodiscard]] ComputeOptions compute() const;
  // True if the networks compute in fp32 only.
  [[nodiscard]] bool needs_fp32() const;
  // True if optimizers write a bf16 copy of the weights for the passes.
  [[nodiscard]] bool keeps_bf16_copy() const;
  // True if folded upsampling weights are computed once per update. Winograd convolutions, the
  // default on CPUs, do not use them.
  [[nodiscard]] bool keeps_folded(at::DeviceType device) const;
  // Error kConfig naming `setting` (performance.cuda_graph) if the steps cannot be recorded.
  void require_recordable(const std::string& setting) const;
  // True if a training on `device` records CUDA graphs (performance.cuda_graph).
  [[nodiscard]] bool records_graphs(at::DeviceType device) const;
  // The value of performance.device_cache on `device`, or that which data.cache means; kOff if
  // "auto" means "off" there.
  [[nodiscard]] Switch device_cache_on(at::DeviceType device) const;

  // Steps per epoch: whole global batches, at least one.
  [[nodiscard]] std::int64_t epoch_steps(std::uint64_t images) const;

  // Stages of a training on a data set of `images`.
  [[nodiscard]] std::vector<Stage> stages(std::uint64_t images) const;

  // Steps of the whole training on a data set of `images`, at least one. Error kConfig for more
  // epochs than can be counted.
  [[nodiscard]] std::int64_t total_steps(std::uint64_t images) const;
};

// Binds the keys of [performance].
void add_performance_keys(Schema& schema, PerformanceOptions& options);

// True for keys that may change when a run resumes: lengths, reporting, samples, checkpoints,
// paths, placement.
[[nodiscard]] bool may_change_on_resume(const std::string& key);
// True for the keys that determine the learning rate of a step.
[[nodiscard]] bool may_change_learning_rate(const std::string& key);
// Keys of earlier versions and their present names.
[[nodiscard]] const std::map<std::string, std::string>& renamed_keys();
// Changed keys that cannot change on resume, as "key: old -> new".
[[nodiscard]] std::vector<std::string> resume_conflicts(
    const std::map<std::string, std::string>& saved, const Schema& schema);

}  // namespace valley
