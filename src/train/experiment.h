// An experiment's options, one struct a section of the config file, and the schema that binds and
// documents them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "core/config.h"
#include "core/error.h"
#include "models/model.h"
#include "objectives/registry.h"

namespace valley {

// Bounds that no training reaches, within which no product of them overflows: 10^12 steps of 2^20
// images are 10^18 images.
inline constexpr std::int64_t kMostSteps = 1'000'000'000'000;
inline constexpr std::int64_t kMostEpochs = 1'000'000'000;
inline constexpr std::int64_t kMostCoolingEpochs = 10'000;  // each a stage of its own

struct DataOptions {
  std::string path;
  std::string validation;  // "": none
  std::string order = "global";
  std::string verify = "first-epoch";
  bool mirror = false;
};

struct TrainOptions {
  AutoInt steps;
  AutoInt epochs;
  AutoInt kimg;
  std::int64_t global_batch = 16;
  AutoInt microbatch;
  std::string schedule = "alternating";
  std::string precision = "auto";
  bool reproducible = false;
  std::int64_t seed = 0;
  std::int64_t report_every = 100;
  AutoInt threads;
  std::string device = "auto";
  double ema_half_life = 10000;
  double ema_ramp_up = 0.05;
};

struct OptimizerOptions {
  std::string name = "adam";
  double lr = 1e-4;
  double beta1 = 0.5;
  double beta2 = 0.999;
  double epsilon = 1e-8;
  bool bias_correction = true;
  double momentum = 0;
  double generator_lr_scale = 1;
  std::string lr_schedule = "halve-on-stall";
  std::int64_t stall_window = 5000;
  std::int64_t stall_windows = 4;
  double stall_improvement = 0.01;
  double lr_floor = 0.125;
  std::int64_t step_every = 10000;
  double step_factor = 0.5;
};

struct CheckpointOptions {
  std::int64_t every = 5000;
  std::int64_t keep = 3;
  bool background = true;
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

// Each switch exchanges one way to compute a result for another; results agree up to rounding.
struct PerformanceOptions {
  bool fused_elu = true;
  bool folded_upsampling = true;
  bool winograd = true;
  bool narrow_convs = true;
  bool frozen_networks = true;
  bool bf16_shadow = true;
  std::string device_cache = "auto";
  bool keep_memory = true;
  std::string overlap = "auto";
  AutoInt bucket_mib;
  std::string cuda_graph = "auto";
  std::int64_t rank_timeout = 600;
};

struct Grid {
  std::int64_t columns = 8;
  std::int64_t rows = 8;
};
// "8x8": columns x rows, each from 1 to `most`. Error with `code` naming `what` otherwise.
[[nodiscard]] Grid parse_grid(const std::string& text, const std::string& what,
                              ExitCode code = ExitCode::kConfig, int most = 64);

struct Experiment {
  // Defaults are those of BEGAN; of_objective has those of each paper.
  [[nodiscard]] static Experiment of_objective(const std::string& name);

  DataOptions data;
  ModelOptions model;
  ObjectiveOptions objective;
  TrainOptions train;
  OptimizerOptions optimizer;
  CheckpointOptions checkpoint;
  SamplesOptions samples;
  EvaluateOptions evaluate;
  PerformanceOptions performance;

  // Binds every key to this object, which must stay where it is while the schema lives.
  [[nodiscard]] Schema schema();

  // Loads a file and overrides into `experiment`, whose defaults become those of the objective that
  // they name. Errors as Schema::load's.
  static Schema load(Experiment& experiment, const std::filesystem::path& file,
                     const std::vector<std::string>& overrides);

  // Checks what no single key can say (one length only, a path given, ...) and fills in what "auto"
  // stands for where that does not depend on the ranks. Error kConfig naming the keys.
  void resolve(const Schema& schema);

  // Classes that the data must have labels of; 0: labels are not looked at.
  [[nodiscard]] std::int64_t needed_labels() const;

  // What networks compute with while they are trained.
  [[nodiscard]] ComputeOptions compute() const;
  // Whether optimizers write a bfloat16 copy of the weights for the passes.
  [[nodiscard]] bool keeps_shadow() const;
  // True if folded upsampling weights are computed once per update. Winograd convolutions, the
  // default on CPUs, do not use them.
  [[nodiscard]] bool keeps_folded(at::DeviceType device) const;
  // True if a training on `device` records CUDA graphs (performance.cuda_graph).
  [[nodiscard]] bool records_graphs(at::DeviceType device) const;
  // The value of performance.device_cache on `device`, with "off" where "auto" is off.
  [[nodiscard]] std::string device_cache_on(at::DeviceType device) const;

  // Steps of an epoch: of whole global batches, at least one.
  [[nodiscard]] std::int64_t epoch_steps(std::uint64_t images) const;

  // What a training on a data set of `images` consists of.
  [[nodiscard]] std::vector<Stage> stages(std::uint64_t images) const;

  // Steps of the whole training on a data set of `images`, at least one. Error kConfig for more
  // epochs than can be counted.
  [[nodiscard]] std::int64_t total_steps(std::uint64_t images) const;
};

// Binds the keys of [performance].
void add_performance_keys(Schema& schema, PerformanceOptions& options);

// Keys that may change between the starts of one run: lengths, reporting, samples, checkpoints,
// paths, placement.
[[nodiscard]] bool may_change_on_resume(const std::string& key);
// Keys whose values differ and may not, "key: old -> new".
[[nodiscard]] std::vector<std::string> resume_conflicts(
    const std::map<std::string, std::string>& saved, const std::map<std::string, std::string>& now);

}  // namespace valley
