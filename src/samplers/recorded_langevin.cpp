#include "samplers/recorded_langevin.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty_like.h>

#include <utility>

#include "core/error.h"
#include "kernels/kernels.h"
#include "samplers/langevin_step.h"

namespace valley {

RecordedLangevin::RecordedLangevin(const EnergyNetwork& network, const LangevinSettings& settings,
                                   std::unique_ptr<WorkGraph> graph)
    : network_(network), settings_(settings), graph_(std::move(graph)) {}

RecordedLangevin::~RecordedLangevin() = default;

Chains RecordedLangevin::run(const at::Tensor& start, const ChainPlace& place) {
  VALLEY_CHECK(settings_.steps >= 1 && settings_.steps <= max_langevin_steps(start[0].numel()));
  const at::NoGradGuard no_grad;
  const FrozenNetwork frozen(network_);
  if (!step_) prepare(start, place);
  VALLEY_CHECK(start.sizes() == step_->images().sizes());
  VALLEY_CHECK(place.seed == seed_ && place.stream == stream_);
  step_->begin(start);
  position_.copy_(place.position).add_(place.offset);
  block_.zero_();
  std::int64_t left = settings_.steps;
  for (; left > 0 && warm_ups_ < kWarmUps; --left, ++warm_ups_) {
    graph_->run([this] { take_step(); });
  }
  if (left > 0 && !is_recorded_) {
    graph_->record([this] { take_step(); });
    is_recorded_ = true;
  }
  if (left > 0) graph_->replay(left);
  // Copies, because the next chains overwrite these tensors.
  return {step_->images().clone(), step_->norms() / static_cast<double>(settings_.steps)};
}

void RecordedLangevin::prepare(const at::Tensor& start, const ChainPlace& place) {
  step_ = std::make_unique<LangevinStep>(
      [this](const at::Tensor& images) { return network_.energy(images); }, settings_, ChainRules{},
      start);
  seed_ = place.seed;
  stream_ = place.stream;
  position_ = at::empty_like(place.position);
  block_ = at::empty_like(place.position);
}

void RecordedLangevin::take_step() {
  const at::NoGradGuard no_grad;
  step_->take([this](const at::Tensor& rows) {
    kernels::fill_normal(rows, {seed_, stream_, static_cast<float>(settings_.noise), 0}, position_,
                         0, block_);
  });
  block_.add_(philox_blocks(step_->images()[0].numel()));
}

}  // namespace valley
