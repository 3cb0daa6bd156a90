#include "train/flat_optimizer.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/isfinite.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/logical_and.h>
#include <ATen/ops/logical_not.h>
#include <ATen/ops/maximum.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>

#include "train/digests.h"

namespace valley {
namespace {

using kernels::AdamaxSettings;
using kernels::AdamSettings;
using kernels::SgdSettings;
using Moments = std::vector<at::Tensor>;

void apply(const kernels::Update& u, const Moments& m, const AdamSettings& s) {
  kernels::adam(u, m[0], m[1], s);
}
void apply(const kernels::Update& u, const Moments& m, const AdamaxSettings& s) {
  kernels::adamax(u, m[0], m[1], s);
}
void apply(const kernels::Update& u, const Moments& m, const SgdSettings& s) {
  kernels::sgd(u, m.empty() ? at::Tensor() : m[0], s);
}

}  // namespace

FlatOptimizer::FlatOptimizer(const FlatGroup& group, at::Tensor rate, const OptimizerRule& rule,
                             const UpdateLimits& limits)
    : group_(group),
      rate_(std::move(rate)),
      rule_(rule),
      limits_(limits),
      names_(moments_of(rule)),
      updates_(at::zeros({}, group.values().options().dtype(at::kLong))),
      norm_(at::zeros({}, group.values().options())) {
  for (std::size_t i = 0; i < names_.size(); ++i)
    moments_.push_back(at::zeros_like(group.gradients()));
  if (limits_.weight_decay > 0) decaying_ = group.decaying_blocks();
}

at::Tensor FlatOptimizer::rate() const {
  return step_rate_.factor == 1 ? rate_ : rate_ * step_rate_.factor;
}

void FlatOptimizer::reset() {
  for (const at::Tensor& moment : moments_) moment.zero_();
  updates_.zero_();
}

void FlatOptimizer::step(const at::Tensor& not_finite) {
  group_.zero_frozen();
  const at::Tensor gradients = group_.gradients();
  // Always the same tensor: see StepPasses.
  if (limits_.clip_norm > 0) {
    kernels::clip_by_norm(gradients, limits_.clip_norm, norm_);
  } else {
    norm_.copy_(at::linalg_vector_norm(gradients));
  }
  const at::Tensor fine =
      at::logical_and(at::isfinite(norm_), at::isfinite(group_.statistics_and_tail().sum()));
  not_finite.copy_(at::maximum(not_finite, at::logical_not(fine).to(at::kInt)));
  updates_.add_(1 - not_finite);
  const at::Tensor scaled_rate = rate();
  if (decaying_.defined())
    kernels::decay_weights(group_.parameters(), decaying_, FlatLayout::kAlignment, scaled_rate,
                           limits_.weight_decay, not_finite);
  const kernels::Update update{group_.parameters(), gradients,         scaled_rate, updates_,
                               not_finite,          group_.bf16_copy()};
  OptimizerRule rule = rule_;
  if (auto* sgd = std::get_if<SgdSettings>(&rule))
    sgd->momentum = std::min(sgd->momentum, step_rate_.max_momentum);
  std::visit([&](const auto& settings) { apply(update, moments_, settings); }, rule);
  group_.derive();
}

void FlatOptimizer::save(TensorMap& state, DeferredCopies* later) const {
  for (std::size_t i = 0; i < moments_.size(); ++i)
    group_.layout().save(moments_[i], prefix() + names_[i] + ".", state, later);
  state[prefix() + "updates"] = updates_.to(at::kCPU, updates_.scalar_type(), false, true);
}

void FlatOptimizer::load(const TensorMap& state, const std::string& where) {
  for (std::size_t i = 0; i < moments_.size(); ++i)
    group_.layout().load(moments_[i], prefix() + names_[i] + ".", state, where);
  forget_frozen();
  updates_.copy_(require_tensor(state, prefix() + "updates", {}, where));
}

void FlatOptimizer::add_digests(Digests& digests) const {
  for (std::size_t i = 0; i < moments_.size(); ++i)
    digests.add_flat(prefix() + names_[i] + ".", group_.layout(), moments_[i], false);
  digests.add(prefix() + "updates", updates_);
}

void FlatOptimizer::load_matching(const TensorMap& state) {
  for (std::size_t i = 0; i < moments_.size(); ++i)
    group_.layout().load_matching(moments_[i], prefix() + names_[i] + ".", state);
  forget_frozen();
  if (const auto found = state.find(prefix() + "updates"); found != state.end())
    updates_.copy_(found->second);
}

void FlatOptimizer::forget_frozen() const {
  for (const at::Tensor& moment : moments_) group_.zero_frozen(moment);
}

}  // namespace valley
