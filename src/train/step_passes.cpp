#include "train/step_passes.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>

#include <algorithm>

#include "core/progress_count.h"
#include "core/stopwatch.h"
#include "flight/flight_recorder.h"
#include "flight/trace_recorder.h"
#include "kernels/device.h"
#include "kernels/kernels.h"
#include "nn/sampling.h"

namespace valley {
namespace {

// Index in the tail of what ranks ask of each other (step_status.h).
constexpr std::int64_t kRequestSlot = FlatGroup::kTail - 1;
static_assert(Objective::kMaxSums <= kRequestSlot);

bool is_updated(const Phase& phase, const std::string& network) {
  return std::ranges::find(phase.updates, network) != phase.updates.end();
}

// A microbatch of the share, on the device.
AuditImages own_images(const BatchShare& share, std::int64_t index, std::int64_t size) {
  return {share.pixels.narrow(0, index * size, size),
          share.labels.defined() ? share.labels.narrow(0, index * size, size) : at::Tensor()};
}

bool update_different_networks(const Phase& a, const Phase& b) {
  return std::ranges::none_of(a.updates, [&](const std::string& n) { return is_updated(b, n); });
}

}  // namespace

StepState::StepState(at::Device device)
    : position(at::zeros({}, at::device(device).dtype(at::kLong))),
      not_finite(at::zeros({}, at::device(device).dtype(at::kInt))),
      requests(at::zeros({}, at::device(device).dtype(at::kFloat))) {}

StepPasses::StepPasses(const Experiment& experiment, const MicrobatchPlan& plan,
                       Communicator& communicator, const Model& model, Objective& objective,
                       const StepState& state,
                       const std::vector<std::unique_ptr<TrainedNetwork>>& networks)
    : experiment_(experiment),
      plan_(plan),
      communicator_(communicator),
      model_(model),
      objective_(objective),
      state_(state),
      networks_(networks),
      measured_(
          at::zeros({FlatGroup::kTail}, at::device(communicator.device()).dtype(at::kFloat))) {
  for (std::size_t i = 0; i <= networks.size(); ++i) {
    reducers_.push_back(
        std::make_unique<GradientReducer>(communicator, experiment.train.reproducible));
  }
  overlap_reductions();
}

StepSums StepPasses::run(const Stage& stage, double momentum, const BatchShare& share,
                         SampleMetrics* sample_metrics, StepAudit* audit) {
  StepSums out;
  const Batch batch{share, sample_metrics};
  if (audit != nullptr) {
    const Stopwatch watch(audit_seconds_);
    audit->compare_images(own_images(share, audit->microbatch(), plan_.size));
  }
  std::optional<OpenPhase> opened;  // during the reduction of the previous phase
  for (std::size_t i = 0; i < stage.phases.size(); ++i) {
    const TraceScope traced(TraceRow::kSteps, stage.phases[i].name);
    OpenPhase now = opened ? std::move(*opened) : open(stage.phases[i]);
    opened.reset();
    if (audit != nullptr) audit_gradients(now, batch, *audit);
    pass(now, batch);
    begin_reduction(now);
    // An audit needs the gradient buffers of the next phase to itself.
    if (now.overlaps && audit == nullptr && i + 1 < stage.phases.size() &&
        update_different_networks(now.phase, stage.phases[i + 1]))
      opened.emplace(open_early(stage.phases[i + 1], batch));
    finish_reduction(now);
    update(now.phase, momentum);
    if (out.sums.empty()) out.requests = now.tail[kRequestSlot].clone();
    out.sums[now.phase.name] = now.sums.clone();
  }
  return out;
}

void StepPasses::overlap_reductions() {
  const Switch asked = experiment_.performance.overlap;
  const bool on_cpu = communicator_.device().is_cpu();
  const bool is_free =
      !on_cpu || spare_cores(communicator_.local_size(), at::get_num_threads()) > 0;
  if (experiment_.train.reproducible || communicator_.size() == 1 || asked == Switch::kOff ||
      (asked == Switch::kAuto && !is_free))
    return;
  constexpr std::int64_t kMebibyte = std::int64_t{1} << 20;
  constexpr std::int64_t kCpuBucket = 4;   // MiB: measured (bench/RESULTS.md)
  constexpr std::int64_t kGpuBucket = 25;  // MiB: the default of PyTorch DDP
  const std::int64_t bucket =
      experiment_.performance.bucket_mib.value_or(on_cpu ? kCpuBucket : kGpuBucket);
  overlap_ = std::make_unique<BucketedReduction>(communicator_, bucket * kMebibyte, on_cpu);
  for (const auto& t : networks_)
    overlap_->watch(t->group, model_.network(t->group.name()).parameters());
}

void StepPasses::set_trainable(const Phase& phase) const {
  for (const NamedNetwork& n : model_.networks()) {
    const bool updated = is_updated(phase, n.name);
    n.network->parameters().require_grad(updated || !experiment_.performance.frozen_networks);
    n.network->context().statistics_weight = updated ? plan_.weight() : 0;
  }
}

StepPasses::OpenPhase StepPasses::open(const Phase& phase) {
  set_trainable(phase);
  measured_.zero_();
  OpenPhase open{phase, overlap_ && !phase.updates.empty(), {}, {}, {}, {}, {}};
  for (std::size_t i = 0; i < networks_.size(); ++i) {
    if (!is_updated(phase, networks_[i]->group.name())) continue;
    networks_[i]->group.zero();
    open.buffers.push_back(networks_[i]->group.reduced());
    open.reducers.push_back(reducers_[i].get());
  }
  if (open.buffers.empty()) {
    open.buffers.push_back(measured_);
    open.reducers.push_back(reducers_.back().get());
  }
  const at::Tensor& carrier = open.buffers.front();
  open.tail = carrier.narrow(0, carrier.numel() - FlatGroup::kTail, FlatGroup::kTail);
  open.sums = open.tail.narrow(0, 0, static_cast<std::int64_t>(objective_.sums_of(phase).size()));
  return open;
}

StepPasses::OpenPhase StepPasses::open_early(const Phase& phase, const Batch& batch) {
  const TraceScope traced(TraceRow::kSteps, "prefetch");
  OpenPhase next = open(phase);
  next.first.emplace(microbatch(batch, 0));
  objective_.prefetch(phase, *next.first);
  return next;
}

void StepPasses::pass(OpenPhase& open, const Batch& batch) {
  flight_recorder().set_phase(open.phase.name);
  for (std::int64_t i = 0; i < plan_.per_rank; ++i) {
    const TraceScope traced(TraceRow::kSteps, "micro-batch");
    count_progress();
    if (open.overlaps && i + 1 == plan_.per_rank)
      overlap_->begin(open.phase.name, open.phase.updates);
    {
      const Microbatch current = open.first ? std::move(*open.first) : microbatch(batch, i);
      open.first.reset();
      objective_.accumulate_gradients(open.phase, current, open.sums);
    }
    if (i == 0) open.tail[kRequestSlot].add_(state_.requests);
    for (std::size_t b = 0; !open.overlaps && b < open.buffers.size(); ++b)
      open.reducers[b]->end_microbatch(open.buffers[b]);
  }
}

void StepPasses::begin_reduction(const OpenPhase& open) {
  if (!open.overlaps) return;
  const Stopwatch watch(comm_seconds_);
  overlap_->begin_rest();
}

void StepPasses::finish_reduction(const OpenPhase& open) {
  const TraceScope traced(TraceRow::kSteps, "reduction");
  const Stopwatch watch(comm_seconds_);
  if (open.overlaps) overlap_->finish();
  for (std::size_t b = 0; !open.overlaps && b < open.buffers.size(); ++b)
    open.reducers[b]->reduce(open.buffers[b]);
}

void StepPasses::update(const Phase& phase, double momentum) {
  for (const auto& network : networks_) {
    if (!is_updated(phase, network->group.name())) continue;
    const TraceScope traced(TraceRow::kOptimizer, network->group.name());
    state_.changes->wait();
    network->optimizer->step(state_.not_finite);
    network->group.take_statistics(momentum, state_.not_finite);
  }
}

// The gradients of whole microbatches, computed again before the passes of the phase.
void StepPasses::audit_gradients(const OpenPhase& open, const Batch& batch, StepAudit& audit) {
  const Stopwatch watch(audit_seconds_);
  flight_recorder().set_phase(open.phase.name);
  const std::int64_t index = audit.microbatch();
  const AuditImages own = own_images(batch.share, index, plan_.size);
  const auto gradient = [&](int rank, const AuditImages& images, const TensorMap& inputs) {
    clear(open);
    objective_.repeat_gradients(open.phase, microbatch_of(rank, index, images, nullptr), inputs,
                                open.sums);
    Digests digests = gradient_digests(open);
    clear(open);
    return digests;
  };
  audit.compare_gradients(
      open.phase.name, own,
      objective_.own_inputs(open.phase, microbatch_of(communicator_.rank(), index, own, nullptr)),
      gradient);
}

Digests StepPasses::gradient_digests(const OpenPhase& open) const {
  await_device(communicator_);
  Digests digests;
  for (const auto& network : networks_) {
    const FlatGroup& group = network->group;
    if (!is_updated(open.phase, group.name())) continue;
    digests.add_flat(group.name() + ".", group.layout(), group.gradients(), true);
    digests.add("statistics of " + group.name(), group.statistics_and_tail());
  }
  if (open.phase.updates.empty()) digests.add("statistics", measured_);
  return digests;
}

void StepPasses::clear(const OpenPhase& open) const {
  for (const at::Tensor& buffer : open.buffers) buffer.zero_();
}

Microbatch StepPasses::microbatch(const Batch& batch, std::int64_t index) const {
  return microbatch_of(communicator_.rank(), index, own_images(batch.share, index, plan_.size),
                       batch.sample_metrics);
}

Microbatch StepPasses::microbatch_of(int rank, std::int64_t index, const AuditImages& images,
                                     SampleMetrics* sample_metrics) const {
  const std::uint64_t seed = state_.seed;
  const std::int64_t offset = rank * plan_.share() + index * plan_.size;
  return {images_from_pixels(images.pixels, model_.pixel_range(), {experiment_.data.mirror, seed},
                             state_.position, offset),
          {seed, state_.position, offset, plan_.size, plan_.weight()},
          sample_metrics,
          images.labels};
}

}  // namespace valley
