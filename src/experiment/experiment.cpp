#include "experiment/experiment.h"

#include <algorithm>
#include <array>

#include "comm/world.h"
#include "core/error.h"
#include "core/log.h"
#include "core/self_digest.h"
#include "experiment/trace_range.h"
#include "methods/limits.h"
#include "methods/registry.h"
#include "nn/sampling.h"
#include "nn/tensor_pattern.h"
#include "record/image_grid.h"

namespace valley {
namespace {

constexpr std::int64_t kDefaultSteps = 200'000;
constexpr std::int64_t kDefaultMicrobatches = 8;
// Becomes true when docs/gpu.md, "What has been run", shows that the steps with CUDA graphs and
// with the data set on the device pass on a real GPU: "auto" leaves both off until then.
constexpr bool kValidatedOnGpus = false;

// The setting of an objective on the meta device, for queries before data and ranks are known.
ObjectiveSetting check_setting(const Experiment& e) {
  ObjectiveSetting setting(at::kMeta, latent_draw(e.model));
  setting.schedule = e.train.schedule;
  setting.learning_rate = e.optimizer.lr;
  setting.resolution = e.model.resolution;
  setting.channels = e.model.channels;
  setting.augment = e.augment;
  setting.microbatch_size = e.train.microbatch.value_or(e.train.global_batch);
  setting.microbatches = std::max<std::int64_t>(1, e.train.global_batch / setting.microbatch_size);
  return setting;
}

// An eighth of the global batch; if 8 does not divide it, a quarter, a half or all of it.
std::int64_t default_microbatch(std::int64_t global_batch) {
  const std::int64_t size = std::max<std::int64_t>(1, global_batch / kDefaultMicrobatches);
  if (global_batch % size == 0) return size;
  std::int64_t parts = kDefaultMicrobatches;
  while (global_batch % parts != 0) parts /= 2;
  return global_batch / parts;
}

// Rejects keys of other methods that were changed: ignoring them would hide a mistake.
void require_own_keys(const ObjectiveOptions& options, const Schema& schema) {
  for (const ForeignKey& rejected : options.method().rejected_keys()) {
    const auto key = std::ranges::find(schema.keys(), rejected.key, &Key::name);
    if (key->value() == key->default_value()) continue;
    throw Error(
        ExitCode::kConfig, "{} ({}) is an option of {}; objective.name = \"{}\" {}: leave it out",
        rejected.key, schema.place(rejected.key), rejected.owner, options.name, rejected.instead);
  }
}

// Every rank reads the config, but only one process can read a pipe.
void require_one_reader(const std::filesystem::path& file) {
  std::error_code ignored;
  const int ranks = launch_info().size;
  if (ranks > 1 && std::filesystem::is_fifo(file, ignored)) {
    throw Error(ExitCode::kConfig,
                "{} is a pipe, which only one of the {} ranks can read; write the config to a file "
                "that all ranks can read, and pass that",
                file.string(), ranks);
  }
}

// A pattern of train.freeze without a tensor would be a misspelled name.
void require_frozen_tensors(const Experiment& e, const Schema& schema, const Model& meta) {
  std::vector<std::string> names;
  for (const NamedNetwork& n : meta.networks())
    for (const Parameter& p : n.network->parameters().all()) names.push_back(n.name + "." + p.name);
  for (const std::string& pattern : e.train.freeze) {
    const auto is_named = [&](const std::string& name) { return matches_pattern(name, pattern); };
    if (std::ranges::any_of(names, is_named)) continue;
    const std::string near = nearest_name(pattern, names);
    throw Error(ExitCode::kConfig,
                "train.freeze ({}): model.name = \"{}\" has no tensor \"{}\"; its names begin like "
                "{}",
                schema.place("train.freeze"), e.model.name, pattern,
                near.empty() ? names.front() : near);
  }
}

void require_augmentation_possible(const Experiment& e, const Schema& schema) {
  e.augment.check();
  if (e.augment.is_on() && !e.objective.method().can_augment())
    throw Error(ExitCode::kConfig,
                "augment.policy ({}): objective.name = \"{}\" has no discriminator whose images "
                "could be augmented; leave it out",
                schema.place("augment.policy"), e.objective.name);
}

void require_validation_possible(const Experiment& e, const Schema& schema,
                                 const Objective& objective) {
  if (e.data.validation.empty() && e.evaluate.validation_every) {
    throw Error(ExitCode::kConfig,
                "evaluate.validation_every ({}) needs images that training does not use; set "
                "data.validation to a folder of shards",
                schema.place("evaluate.validation_every"));
  }
  if (!e.data.validation.empty() && !objective.measures()) {
    throw Error(ExitCode::kConfig,
                "data.validation ({}): objective.name = \"{}\" has no metric of single images; "
                "leave it out, and compare samples with those images with `valley evaluate`",
                schema.place("data.validation"), e.objective.name);
  }
}

}  // namespace

Experiment Experiment::with_defaults_of(const std::string& method) {
  Experiment e;
  e.objective.name = method;
  e.model.name = method;
  std::vector<std::string> values;
  for (const KeyDefault& d : e.objective.method().defaults())
    values.push_back(d.key + "=" + d.value);
  e.schema().load_text("", "", values);
  return e;
}

Schema Experiment::load(Experiment& experiment, const std::filesystem::path& file,
                        const std::vector<std::string>& overrides) {
  require_one_reader(file);
  const std::string text = read_config(file);
  if (launch_info().rank == 0 && !text.empty() && !fits_digest_line(text))
    log::warn(
        "{} was edited or damaged after Valley wrote it: its first line has the SHA-256 of other "
        "lines; check its values, then delete that line",
        file.string());
  // Parsed twice, because the defaults depend on the objective.
  Experiment named;
  named.schema().load_text(text, file.string(), overrides);
  experiment = with_defaults_of(named.objective.name);
  Schema schema = experiment.schema();
  schema.load_text(text, file.string(), overrides);
  if (launch_info().rank == 0)
    for (const std::string& deprecation : schema.deprecations()) log::warn("{}", deprecation);
  return schema;
}

void Experiment::resolve(const Schema& schema) {
  if (data.path.empty()) {
    throw Error(
        ExitCode::kConfig,
        "data.path is not set; set it to a folder of shards, in the file or as data.path=FOLDER");
  }
  const int lengths =
      int{train.steps.has_value()} + int{train.epochs.has_value()} + int{train.kimg.has_value()};
  if (lengths > 1) {
    throw Error(ExitCode::kConfig,
                "only one of train.steps ({}), train.epochs ({}) and train.kimg ({}) can be set",
                schema.place("train.steps"), schema.place("train.epochs"),
                schema.place("train.kimg"));
  }
  static_cast<void>(
      parse_trace_range(train.trace, "train.trace (" + schema.place("train.trace") + ")"));
  const Grid grid = parse_grid(samples.grid, "samples.grid");
  if (!grid_fits(grid.columns * grid.rows, model.resolution, model.resolution, model.channels,
                 grid.columns)) {
    throw Error(
        ExitCode::kConfig,
        "samples.grid = {} with samples of {}x{} pixels makes too large an image; set fewer "
        "columns or rows",
        samples.grid, model.resolution, model.resolution);
  }
  objective.method().settle(objective, schema);
  require_own_keys(objective, schema);
  require_augmentation_possible(*this, schema);
  if (optimizer.momentum != 0 && optimizer.name != OptimizerName::kSgd) {
    throw Error(ExitCode::kConfig,
                "optimizer.momentum ({}) needs optimizer.name = \"sgd\"; adam and adamax average "
                "gradients with optimizer.beta1: set that instead",
                schema.place("optimizer.momentum"));
  }
  if (optimizer.decay_steps && *optimizer.decay_steps <= optimizer.warmup_steps) {
    throw Error(
        ExitCode::kConfig,
        "optimizer.decay_steps ({}) must be more than optimizer.warmup_steps ({}): the decay "
        "begins after the warm-up",
        schema.place("optimizer.decay_steps"), optimizer.warmup_steps);
  }
  // Invalid shapes of networks are reported before they are compared with the data.
  const std::unique_ptr<Model> meta = make_meta_model(model);
  const auto networks = meta->networks();
  require_frozen_tensors(*this, schema, *meta);
  if (train.precision == TrainingPrecision::kBf16 && needs_fp32()) {
    throw Error(ExitCode::kConfig,
                "train.precision ({}): model.name = \"{}\" computes in fp32 only; set \"fp32\" or "
                "\"tf32\"",
                schema.place("train.precision"), model.name);
  }
  if (optimizer.generator_lr_scale != 1 &&
      std::ranges::none_of(networks, [](const auto& n) { return n.name == "generator"; })) {
    throw Error(ExitCode::kConfig,
                "optimizer.generator_lr_scale ({}): model.name = \"{}\" has no generator; set "
                "optimizer.lr",
                schema.place("optimizer.generator_lr_scale"), model.name);
  }
  if (!train.microbatch && (train.reproducible || objective.method().couples_samples(objective) ||
                            meta->couples_samples()))
    train.microbatch = default_microbatch(train.global_batch);
  const std::unique_ptr<Objective> checked = make_objective(objective, *meta, check_setting(*this));
  if (performance.cuda_graph == Switch::kOn)
    require_recordable("performance.cuda_graph (" + schema.place("performance.cuda_graph") + ")");
  if (train.reproducible && !train.threads) train.threads = 1;
  require_validation_possible(*this, schema, *checked);
}

bool Experiment::accepts_unlabeled() const {
  return objective.method().accepts_unlabeled(objective);
}

std::int64_t Experiment::needed_labels() const {
  return objective.method().needed_labels(objective, model);
}

std::int64_t Experiment::epoch_steps(std::uint64_t images) const {
  return std::max<std::int64_t>(1, static_cast<std::int64_t>(images) / train.global_batch);
}

std::vector<Stage> Experiment::stages(std::uint64_t images) const {
  ObjectiveSetting setting = check_setting(*this);
  setting.epoch_steps = epoch_steps(images);
  return make_objective(objective, *make_meta_model(model), setting)->stages();
}

std::int64_t Experiment::total_steps(std::uint64_t images) const {
  const auto steps_for = [&](std::int64_t wanted) {
    return (wanted + train.global_batch - 1) / train.global_batch;
  };
  if (train.steps) return *train.steps;
  if (train.epochs) {
    const std::uint64_t max_epochs = static_cast<std::uint64_t>(kMaxSteps) / images;
    if (static_cast<std::uint64_t>(*train.epochs) > max_epochs) {
      throw Error(ExitCode::kConfig,
                  "train.epochs = {} of {} images exceed the maximum of {} images per training; "
                  "train.epochs = {} works",
                  *train.epochs, images, kMaxSteps, std::max<std::uint64_t>(1, max_epochs));
    }
    return steps_for(*train.epochs * static_cast<std::int64_t>(images));
  }
  if (train.kimg) return steps_for(*train.kimg * 1000);
  // The default is the total length of the stages, if all of them end.
  std::int64_t steps = 0;
  for (const Stage& stage : stages(images)) {
    if (stage.length == 0) return kDefaultSteps;
    steps += stage.length;
  }
  return std::min(steps, kMaxSteps);
}

ComputeOptions Experiment::compute() const {
  ComputeOptions options;
  if (train.precision == TrainingPrecision::kBf16) options.type = at::kBFloat16;
  options.fused_elu = performance.fused_elu;
  options.folded_upsampling = performance.folded_upsampling;
  options.winograd = performance.winograd;
  options.narrow_convs = performance.narrow_convs;
  return options;
}

bool Experiment::keeps_folded(at::DeviceType device) const {
  const ComputeOptions options = compute();
  return options.fused_elu && options.folded_upsampling &&
         (device != at::kCPU || !options.winograd);
}

bool Experiment::needs_fp32() const {
  return require_method(model.name, "model.name").needs_fp32();
}

bool Experiment::keeps_bf16_copy() const {
  return compute().type == at::kBFloat16 && performance.bf16_shadow;
}

void Experiment::require_recordable(const std::string& setting) const {
  if (objective.method().can_record_graphs()) return;
  throw Error(ExitCode::kConfig,
              "{} is on, but the host controls the steps of objective.name = \"{}\", which a CUDA "
              "graph cannot record; set it to \"off\"",
              setting, objective.name);
}

bool Experiment::records_graphs(at::DeviceType device) const {
  if (performance.cuda_graph != Switch::kAuto) return performance.cuda_graph == Switch::kOn;
  return kValidatedOnGpus && device == at::kCUDA && objective.method().can_record_graphs();
}

Switch Experiment::device_cache_on(at::DeviceType device) const {
  if (data.cache == DataCache::kGpu) return Switch::kOn;
  if (data.cache != DataCache::kAuto) return Switch::kOff;
  const bool is_off =
      performance.device_cache == Switch::kAuto && !(kValidatedOnGpus && device == at::kCUDA);
  return is_off ? Switch::kOff : performance.device_cache;
}

const std::map<std::string, std::string>& renamed_keys() {
  static const std::map<std::string, std::string> all = {
      {"objective.cooling_epochs", "objective.lr_decay_epochs"}};
  return all;
}

bool may_change_learning_rate(const std::string& key) {
  static constexpr std::array kKeys = {"optimizer.lr",
                                       "optimizer.lr_schedule",
                                       "optimizer.stall_window",
                                       "optimizer.stall_windows",
                                       "optimizer.stall_improvement",
                                       "optimizer.lr_floor",
                                       "optimizer.step_every",
                                       "optimizer.step_factor",
                                       "optimizer.warmup_steps",
                                       "optimizer.decay_steps",
                                       "optimizer.final_lr"};
  return std::ranges::find(kKeys, key) != kKeys.end();
}

bool may_change_on_resume(const std::string& key) {
  static constexpr std::array kFree = {
      "data.path",           "data.validation",    "data.verify",         "data.cache",
      "data.decode_threads", "train.steps",        "train.epochs",        "train.kimg",
      "train.report_every",  "train.device",       "train.on_divergence", "train.rescue_lr_factor",
      "train.max_rescues",   "train.hang_timeout", "train.audit_every",   "train.trace"};
  if (key.starts_with("checkpoint.") || key.starts_with("samples.") ||
      key.starts_with("evaluate.") || key.starts_with("performance."))
    return true;
  for (const char* free : kFree) {
    if (key == free) return true;
  }
  return false;
}

namespace {

// The value of a key that is not in a saved config: that of its earlier name, or the behavior of
// versions before the key existed, which is its default with one exception.
std::string value_before(const std::map<std::string, std::string>& saved, const Key& key) {
  for (const auto& [old_name, name] : renamed_keys())
    if (name == key.name() && saved.contains(old_name)) return saved.at(old_name);
  return key.name() == "train.ema_ramp_up" ? "0.0" : key.default_value();
}

}  // namespace

std::vector<std::string> resume_conflicts(const std::map<std::string, std::string>& saved,
                                          const Schema& schema) {
  std::vector<std::string> conflicts;
  for (const Key& key : schema.keys()) {
    if (may_change_on_resume(key.name())) continue;
    const auto found = saved.find(key.name());
    const std::string before = found == saved.end() ? value_before(saved, key) : found->second;
    if (before != key.value())
      conflicts.push_back(fmt::format("{}: {} -> {}", key.name(), before, key.value()));
  }
  std::ranges::sort(conflicts);
  return conflicts;
}

}  // namespace valley
