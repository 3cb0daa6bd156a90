#include "train/flat_optimizer.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/isfinite.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/logical_and.h>
#include <ATen/ops/logical_not.h>
#include <ATen/ops/maximum.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

namespace valley {

FlatAdam::FlatAdam(const FlatGroup& group, at::Tensor rate, const kernels::AdamSettings& settings)
    : group_(group),
      rate_(std::move(rate)),
      settings_(settings),
      first_(at::zeros_like(group.parameters())),
      second_(at::zeros_like(group.parameters())),
      updates_(at::zeros({}, group.values().options().dtype(at::kLong))),
      norm_(at::zeros({}, group.values().options())) {}

void FlatAdam::step(const at::Tensor& not_finite) {
  const at::Tensor gradients = group_.gradients();
  norm_ = at::linalg_vector_norm(gradients);
  const at::Tensor fine = at::logical_and(at::isfinite(norm_), at::isfinite(group_.tail().sum()));
  not_finite.copy_(at::maximum(not_finite, at::logical_not(fine).to(at::kInt)));
  updates_.add_(1 - not_finite);
  kernels::adam(group_.parameters(), gradients, first_, second_, rate_, updates_, not_finite,
                settings_);
}

void FlatAdam::save(TensorMap& state) const {
  group_.layout().save(first_, prefix() + "first.", state);
  group_.layout().save(second_, prefix() + "second.", state);
  state[prefix() + "updates"] = updates_;
}

void FlatAdam::load(const TensorMap& state, const std::string& where) {
  group_.layout().load(first_, prefix() + "first.", state, where);
  group_.layout().load(second_, prefix() + "second.", state, where);
  updates_.copy_(require_tensor(state, prefix() + "updates", {}, where));
}

}  // namespace valley
