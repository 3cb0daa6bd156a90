#include "samplers/langevin_step.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>

#include <utility>

namespace valley {

FrozenNetwork::FrozenNetwork(const EnergyNetwork& network) : network_(network) {
  const auto& all = network.parameters().all();
  trainable_ = !all.empty() && all.front().value.requires_grad();
  if (!trainable_) return;
  network.parameters().require_grad(false);
  network.fix_weights(true);
  context_ = std::exchange(network.context(), PassContext{});
}

FrozenNetwork::~FrozenNetwork() {
  if (!trainable_) return;
  network_.context() = context_;
  network_.fix_weights(false);
  network_.parameters().require_grad(true);
}

LangevinStep::LangevinStep(EnergyFunction energy, const LangevinSettings& settings,
                           ChainRules rules, const at::Tensor& start)
    : energy_(std::move(energy)),
      settings_(settings),
      rules_(std::move(rules)),
      x_(at::empty(start.sizes(), start.options(), at::MemoryFormat::ChannelsLast)),
      noise_(at::empty_like(x_)),
      // View of the same memory, one row of H, W, C per image.
      rows_(noise_.permute({0, 2, 3, 1}).view({x_.size(0), x_[0].numel()})),
      norms_(at::zeros({x_.size(0)}, x_.options())) {}

void LangevinStep::begin(const at::Tensor& start) {
  if (rules_.held.defined()) start_ = start;
  x_.copy_(start);
  norms_.zero_();
}

void LangevinStep::take(const Draw& draw) {
  if (settings_.noise_last) {
    descend();
    shake(draw);
  } else {
    shake(draw);
    descend();
  }
  if (rules_.amend) {
    rules_.amend(x_);
    hold();
  }
  x_.clamp_(0, 1);
}

void LangevinStep::hold() const {
  if (rules_.held.defined()) x_.copy_(at::where(rules_.held, start_, x_));
}

void LangevinStep::shake(const Draw& draw) const {
  if (settings_.noise == 0) return;
  draw(rows_);
  x_.add_(noise_);
  hold();  // so that the gradient is computed at the held pixels' values
}

void LangevinStep::descend() const {
  at::Tensor gradient = energy_gradient(energy_, x_);
  norms_.add_(at::linalg_vector_norm(gradient, 2, at::IntArrayRef({1, 2, 3})));
  if (settings_.clamp > 0) gradient.clamp_(-settings_.clamp, settings_.clamp);
  x_.sub_(gradient, settings_.step_size);
  hold();
}

}  // namespace valley
