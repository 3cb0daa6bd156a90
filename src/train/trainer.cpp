#include "train/trainer.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/quantile.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numeric>

#include "comm/world.h"
#include "core/error.h"
#include "core/hash.h"
#include "core/log.h"
#include "core/stopwatch.h"
#include "flight/flight_recorder.h"
#include "flight/trace_recorder.h"
#include "kernels/host_memory.h"
#include "kernels/kernels.h"
#include "methods/metric_names.h"
#include "methods/registry.h"
#include "nn/sampling.h"

namespace valley {
namespace {

// Momentum of running moments, the default of PyTorch's batch norm.
constexpr double kStatisticsMomentum = 0.1;

constexpr std::uint64_t kRescuedDraws = 0x726573637565;  // hashed into the seed after rescues

ObjectiveSetting setting_of(const Experiment& e, const MicrobatchPlan& plan,
                            const Communicator& communicator, std::uint64_t images) {
  ObjectiveSetting setting(communicator.device(), latent_draw(e.model));
  setting.schedule = e.train.schedule;
  setting.learning_rate = e.optimizer.lr;
  setting.seed = e.seed();
  setting.epoch_steps = e.epoch_steps(images);
  setting.microbatches = plan.per_rank * plan.ranks;
  setting.first_microbatch = plan.per_rank * communicator.rank();
  setting.own_microbatches = plan.per_rank;
  setting.microbatch_size = plan.size;
  setting.resolution = e.model.resolution;
  setting.channels = e.model.channels;
  setting.augment = e.augment;
  return setting;
}

// Quantiles over the global batch, named "energy/real/q05" and so on.
std::vector<std::pair<std::string, at::Tensor>> quantiles_of(const SampleMetrics& sample_metrics) {
  constexpr std::array kQuantiles = {0.05, 0.25, 0.5, 0.75, 0.95};
  const at::Tensor wanted =
      at::tensor(at::ArrayRef<double>(kQuantiles.data(), kQuantiles.size()), at::kDouble)
          .to(sample_metrics.values().device());
  const at::Tensor all = at::quantile(sample_metrics.values().to(at::kDouble), wanted, 1);
  std::vector<std::pair<std::string, at::Tensor>> named;
  for (std::size_t t = 0; t < sample_metrics.names().size(); ++t) {
    if (!sample_metrics.is_written(t)) continue;
    for (std::size_t q = 0; q < kQuantiles.size(); ++q) {
      const auto percent = std::lround(100 * kQuantiles[q]);
      named.emplace_back(fmt::format("{}/q{:02}", sample_metrics.names()[t], percent),
                         all[static_cast<std::int64_t>(q)][static_cast<std::int64_t>(t)]);
    }
  }
  return named;
}

// Makes each row of a grid with `columns` cells one class and each column one latent vector, except
// in rows after those of all `classes`, which repeat the classes with further latent vectors.
// Replaces the seeds; returns the labels, int64 [n].
at::Tensor arrange_by_class(std::vector<std::uint64_t>& seeds, std::int64_t classes,
                            std::int64_t columns) {
  at::Tensor labels = at::empty({static_cast<std::int64_t>(seeds.size())}, at::kLong);
  for (std::int64_t i = 0; i < labels.size(0); ++i) {
    const std::int64_t row = i / columns;
    labels.mutable_data_ptr<std::int64_t>()[i] = row % classes;
    seeds[static_cast<std::size_t>(i)] =
        static_cast<std::uint64_t>(row / classes * columns + i % columns);
  }
  return labels;
}

// EMA decay of the weights for one step after `images` images. The half-life ramps up to its full
// value, so that the initial weights decay quickly (StyleGAN2's training loop, Karras et al. 2020).
double average_decay(const TrainOptions& o, std::int64_t global_batch, std::int64_t images) {
  double half_life = o.ema_half_life;
  if (o.ema_ramp_up > 0)
    half_life = std::min(half_life, o.ema_ramp_up * static_cast<double>(images));
  return std::exp2(-static_cast<double>(global_batch) / std::max(1e-9, half_life));
}

}  // namespace

Trainer::Trainer(const Experiment& experiment, const MicrobatchPlan& plan,
                 Communicator& communicator, std::uint64_t images)
    : Trainer(experiment, plan, communicator, images, make_objective) {}

Trainer::Trainer(const Experiment& experiment, const MicrobatchPlan& plan,
                 Communicator& communicator, std::uint64_t images, ObjectiveFactory make)
    : experiment_(experiment),
      plan_(plan),
      communicator_(communicator),
      images_(images),
      model_(make_model(experiment.model)),
      objective_(
          make(experiment.objective, *model_, setting_of(experiment, plan, communicator, images))),
      needed_labels_(experiment.needed_labels()),
      stages_(objective_->stages()),
      rates_(rate_settings(experiment.optimizer, experiment.total_steps(images)),
             communicator.device()),
      state_(communicator.device()),
      statuses_(communicator),
      upload_(communicator.device()) {
  if (experiment.performance.keep_memory) keep_freed_memory();
  const at::Device device = communicator.device();
  state_.seed = experiment.seed();
  model_->initialize(experiment.seed());
  for (const NamedNetwork& n : model_->networks()) {
    n.network->context().batch_statistics = true;
    n.network->compute() = experiment.compute();
  }
  for (const NamedNetwork& n : model_->networks()) {
    auto t = std::make_unique<TrainedNetwork>(
        TrainedNetwork{FlatGroup(n.name, n.network->parameters(), device, true), nullptr});
    t->group.freeze(experiment.train.freeze);
    if (experiment.keeps_bf16_copy()) t->group.keep_bf16_copy(n.network->parameters());
    if (experiment.keeps_folded(device.type()))
      t->group.keep_derived(n.network->parameters(), experiment.compute().type);
    t->optimizer = std::make_unique<FlatOptimizer>(t->group, rates_.rate(),
                                                   optimizer_rule(experiment.optimizer),
                                                   update_limits(experiment.optimizer));
    trained_.push_back(std::move(t));
  }
  passes_ = std::make_unique<StepPasses>(experiment_, plan_, communicator_, *model_, *objective_,
                                         state_, trained_);
  if (experiment.records_graphs(device.type())) record_steps();
  if (experiment.train.ema_half_life > 0) {
    average_model_ = make_model(experiment.model);
    for (const std::string& name : model_->averaged()) {
      averages_.push_back(std::make_unique<FlatGroup>(
          name, average_model_->network(name).parameters(), device, false));
      averages_.back()->values().copy_(trained(name).group.values());
    }
  }
}

TrainedNetwork& Trainer::trained(const std::string& name) {
  for (const auto& t : trained_) {
    if (t->group.name() == name) return *t;
  }
  throw std::logic_error("the objective updates \"" + name + "\", which the model does not have");
}

// The last stage has no end.
Trainer::StagePlace Trainer::stage_at(std::int64_t step) const {
  std::int64_t begin = 0;
  for (const Stage& stage : stages_) {
    if (stage.length == 0 || step < begin + stage.length || &stage == &stages_.back())
      return {stage, step - begin};
    begin += stage.length;
  }
  throw std::logic_error("an objective without stages");
}

void Trainer::step(const at::Tensor& pixels, bool stop, const at::Tensor& labels,
                   const AuditRequest* audit) {
  VALLEY_CHECK(pixels.size(0) == plan_.share());
  VALLEY_CHECK(needed_labels_ == 0 || labels.size(0) == plan_.share());
  const TraceScope traced(TraceRow::kSteps, "step", steps_done_ + 1);
  const BatchShare share{upload_.start(pixels),
                         needed_labels_ > 0 ? upload_.start(labels) : at::Tensor()};
  flight_recorder().set_step(steps_done_ + 1);
  sample_metrics_.reset();
  if (is_report_step() && !objective_->sample_metrics().empty())
    sample_metrics_.emplace(objective_->sample_metrics(), plan_.global_batch,
                            communicator_.device());
  state_.requests.fill_(encode_requests(stop, std::exchange(save_, false)));
  if (audit != nullptr) {
    const Stopwatch watch(audit_seconds_);
    compare_replicas(fmt::format("before step {}", steps_done_ + 1));
  }
  run_passes(share, audit);
  // Each element was written by one rank and is 0 on the others.
  if (sample_metrics_) communicator_.all_reduce(sample_metrics_->values(), ReduceOp::kSum)->wait();
  finish_step();
  upload_.finish();
}

void Trainer::run_passes(const BatchShare& share, const AuditRequest* audit) {
  const auto [stage, step] = stage_at(steps_done_);
  for (const Phase& phase : stage.phases) {
    for (const std::string& name : phase.updates) {
      FlatOptimizer& optimizer = *trained(name).optimizer;
      if (step == 0 && stage.resets_optimizers) {
        state_.changes->wait();
        optimizer.reset();
      }
      optimizer.set_rate(rates_.in_step(stage, step, name));
    }
  }
  const double momentum =
      stage.averages_statistics ? 1 / static_cast<double>(step + 1) : kStatisticsMomentum;
  SampleMetrics* sample_metrics = sample_metrics_ ? &*sample_metrics_ : nullptr;
  const AuditRequest request = request_for(audit);
  std::optional<StepAudit> step_audit;
  if (audit != nullptr) {
    const Stopwatch watch(audit_seconds_);
    step_audit.emplace(request, plan_, communicator_, steps_done_ + 1, needed_labels_ > 0);
  }
  const auto passes = [&, &stage = stage](const BatchShare& s) {
    return passes_->run(stage, momentum, s, sample_metrics, step_audit ? &*step_audit : nullptr);
  };
  if (graph_) state_.changes->wait();  // a replayed graph does not call ChangeGate::wait
  StepSums taken = !graph_ ? passes(share)
                   : sample_metrics != nullptr || stage.averages_statistics || step_audit
                       ? graph_->run_once(share, passes)
                       : graph_->run(&stage, share, passes);
  sums_ = std::move(taken.sums);
  requests_ = std::move(taken.requests);
  if (!step_audit || !step_audit->has_rounding()) return;
  has_rounding_ = true;
  log::warn(
      "the ranks compute gradients that differ in rounding, so that results depend on the number "
      "of ranks and audits compare with a tolerance of {}; processors of one kind on all hosts "
      "give equal results",
      kAuditTolerance);
}

// Gradients are equal bit for bit only in reproducible mode, and on processors of one kind.
AuditRequest Trainer::request_for(const AuditRequest* audit) const {
  AuditRequest request = audit != nullptr ? *audit : AuditRequest();
  request.exact = request.exact && experiment_.train.reproducible && !has_rounding_;
  return request;
}

void Trainer::record_steps() {
  experiment_.require_recordable("performance.cuda_graph");
  if (!communicator_.device().is_cuda()) {
    throw Error(ExitCode::kConfig,
                "performance.cuda_graph is on, but {} computes on the CPU, and CUDA graphs need a "
                "GPU; leave it out",
                this_rank());
  }
  record_steps_with(make_cuda_graph(communicator_.device()));
}

void Trainer::record_steps_with(std::unique_ptr<WorkGraph> graph) {
  if (objective_->is_graph_capturable()) {
    graph_ = std::make_unique<StepGraph>(std::move(graph));
  } else {
    objective_->record_chains_with(std::move(graph));
  }
}

// True for the next step if it is the first one or a multiple of train.report_every.
bool Trainer::is_report_step() const {
  return steps_done_ == 0 || (steps_done_ + 1) % experiment_.train.report_every == 0;
}

void Trainer::finish_step() {
  const at::NoGradGuard no_grad;
  const at::Tensor skipped = state_.not_finite.to(at::kBool);
  for (auto& [phase, sums] : sums_)
    sums.masked_fill_(skipped, std::numeric_limits<double>::quiet_NaN());
  objective_->update_controller(sums_);
  if (const auto change = rates_.observe(steps_done_ + 1, objective_->convergence()))
    log::info("after step {} {}", steps_done_ + 1, *change);
  const double decay =
      average_decay(experiment_.train, plan_.global_batch, steps_done_ * plan_.global_batch);
  for (const NamedNetwork& n : model_->networks()) n.network->end_step(steps_done_ + 1);
  if (!averages_.empty()) state_.changes->wait();
  for (const auto& average : averages_)
    average->average(trained(average->name()).group, decay, state_.not_finite);
  state_.position.add_(plan_.global_batch);
  forwarded_ += plan_.share();
  ++steps_done_;
  statuses_.push(steps_done_, state_.not_finite, requests_);
  if (objective_->has_epochs()) close_epoch();
}

// A step that was not finite is rewound later: it neither adds to the sums nor ends an epoch.
void Trainer::close_epoch() {
  const at::Tensor skipped = state_.not_finite.to(at::kBool);
  for (const auto& [phase, sums] : sums_) {
    const auto [entry, is_new] = epoch_sums_.try_emplace(phase, at::zeros_like(sums, at::kDouble));
    entry->second.add_(sums.masked_fill(skipped, 0));
  }
  if (steps_done_ % experiment_.epoch_steps(images_) != 0 || skipped.item<bool>()) return;
  GlobalSums on_host;
  for (const auto& [phase, sums] : epoch_sums_) on_host[phase] = sums.to(at::kCPU);
  epoch_report_ = objective_->end_epoch(on_host);
  epoch_sums_.clear();
}

void Trainer::rewind_to(std::int64_t step) {
  steps_done_ = step;
  moments_step_ = -1;
  state_.position.fill_(step * plan_.global_batch);
  rates_.rewind_to(step);
}

void Trainer::set_rescues(std::size_t count) {
  if (count == rescues_) return;
  rescues_ = count;
  state_.seed = count == 0 ? experiment_.seed() : hash64(experiment_.seed(), kRescuedDraws, count);
  // Recorded graphs have the previous seed.
  if (experiment_.records_graphs(communicator_.device().type())) record_steps();
}

StepStatus Trainer::status(bool wait) { return statuses_.read(wait); }

std::vector<Trainer::Value> Trainer::report() const {
  std::vector<Value> values;
  std::vector<at::Tensor> scalars;
  const auto add = [&](const std::string& name, const std::string& short_name,
                       const at::Tensor& value) {
    values.push_back({name, short_name, 0});
    scalars.push_back(value.detach().to(at::kDouble));
  };
  for (const ReportValue& v : objective_->report()) add(v.name, v.short_name, v.value);
  for (const auto& t : trained_) {
    const std::string label = t->group.name() == "discriminator" ? "D"
                              : t->group.name() == "generator"   ? "G"
                                                                 : t->group.name();
    add(metric::kLearningRateOf + label, "", t->optimizer->rate());
    add(metric::kGradientNormOf + label, "", t->optimizer->gradient_norm());
  }
  if (sample_metrics_) {
    for (const auto& [name, value] : quantiles_of(*sample_metrics_)) add(name, "", value);
  }
  const at::Tensor all = at::stack(scalars).to(at::kCPU);
  for (std::size_t i = 0; i < values.size(); ++i) values[i].value = all.const_data_ptr<double>()[i];
  return values;
}

TensorMap Trainer::gradients() const {
  TensorMap all;
  for (const auto& t : trained_)
    t->group.layout().save(t->group.gradients(), t->group.name() + ".", all);
  return all;
}

at::Tensor Trainer::sample(std::int64_t n, std::int64_t columns) const {
  if (std::optional<at::Tensor> own = objective_->samples(n)) return *own;
  return draw(sampled_model(), n, columns);
}

std::optional<at::Tensor> Trainer::sample_without_average(std::int64_t n,
                                                          std::int64_t columns) const {
  if (!average_model_ || !model_->has_network("generator")) return std::nullopt;
  return draw(*model_, n, columns);
}

void Trainer::run_beside_steps(const std::function<void()>& work) const {
  graph_ ? graph_->run_beside(work) : work();
}

at::Tensor Trainer::draw(const Model& model, std::int64_t n, std::int64_t columns) const {
  std::vector<std::uint64_t> seeds(static_cast<std::size_t>(n));
  std::iota(seeds.begin(), seeds.end(), 0);
  const at::Device device = communicator_.device();
  const std::int64_t classes = model.network("generator").labels();
  at::Tensor labels = labels_from_seeds(seeds, classes, device);
  if (classes > 0 && columns > 0) labels = arrange_by_class(seeds, classes, columns).to(device);
  at::Tensor pixels;
  run_beside_steps([&] {
    pixels =
        generate_pixels(model, latents_from_seeds(seeds, latent_draw(experiment_.model), device),
                        plan_.size, labels);
  });
  return pixels;
}

const Model& Trainer::sampled_model() const {
  if (!average_model_) return *model_;
  estimate_average_moments();
  return *average_model_;
}

// The estimate depends only on the averaged weights, so that samples and checkpoints do not depend
// on how often either is made or on the number of ranks.
void Trainer::estimate_average_moments() const {
  constexpr std::uint64_t kFirstSeed = std::uint64_t{1} << 62U;  // not used for samples
  constexpr std::int64_t kImages = 256;
  if (!average_model_ || !model_->has_network("generator") || moments_step_ == steps_done_) return;
  run_beside_steps([&] {
    estimate_running_moments(dynamic_cast<const Generator&>(average_model_->network("generator")),
                             latent_draw(experiment_.model), kFirstSeed, kImages, plan_.size);
  });
  moments_step_ = steps_done_;
}

ImageMeasures Trainer::measure(const at::Tensor& pixels, const at::Tensor& labels,
                               std::int64_t first) const {
  const at::NoGradGuard no_grad;
  const at::Device device = communicator_.device();
  const std::int64_t n = pixels.size(0);
  const at::Tensor position = at::zeros({}, at::device(device).dtype(at::kLong));
  const Microbatch microbatch(
      images_from_pixels(pixels.to(device), model_->pixel_range(), {}, position, 0),
      {experiment_.seed(), position, first, n, 1}, nullptr,
      needed_labels_ > 0 ? labels.to(device) : at::Tensor());
  return objective_->measure(last_stage(), microbatch);
}

}  // namespace valley
