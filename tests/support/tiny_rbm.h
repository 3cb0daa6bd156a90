// RBMs small enough to sum over all states, in double precision.
#pragma once

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>

#include <memory>

#include "nn/rbm.h"

namespace valley::testing {

inline at::Tensor normal_values(at::IntArrayRef shape, std::uint64_t seed) {
  return at::randn(shape, at::detail::createCPUGenerator(seed), at::kFloat);
}

// An RBM with all parameters drawn from N(0, scale).
inline std::unique_ptr<Rbm> tiny_rbm(const RbmShape& shape, double scale = 0.8) {
  auto rbm = std::make_unique<Rbm>(shape, at::kCPU);
  const at::NoGradGuard no_grad;
  std::uint64_t seed = 11;
  for (const Parameter& p : rbm->parameters().all())
    p.value.copy_(normal_values(p.value.sizes(), seed++) * scale);
  return rbm;
}

// float [2^n, n]: every state of n binary units.
inline at::Tensor all_states(std::int64_t n) {
  const at::Tensor number = at::arange(std::int64_t{1} << n, at::kLong).unsqueeze(1);
  return number.div(at::pow(2, at::arange(n, at::kLong)), "floor").remainder(2).to(at::kFloat);
}

// double [B, 2^hidden]: E(v, h, y) for every h, term by term as defined in nn/rbm.h.
inline at::Tensor joint_energies(const Rbm& rbm, const at::Tensor& v, const at::Tensor& y = {}) {
  const auto in_double = [](const at::Tensor& t) { return t.detach().to(at::kDouble); };
  const at::Tensor h = in_double(all_states(rbm.shape().hidden));
  const at::Tensor x = in_double(v);
  const at::Tensor b = in_double(rbm.visible_bias());
  const at::Tensor own = rbm.is_gaussian() ? at::square(x - b).sum(1) / 2 : -(x * b).sum(1);
  at::Tensor energies = own.unsqueeze(1) - at::matmul(h, in_double(rbm.hidden_bias())) -
                        at::einsum("bi,ji,sj->bs", {x, in_double(rbm.weight()), h});
  if (!y.defined()) return energies;
  const at::Tensor label = in_double(y);
  return energies - at::matmul(label, in_double(rbm.label_bias())).unsqueeze(1) -
         at::einsum("bk,jk,sj->bs", {label, in_double(rbm.label_weight()), h});
}

// double [B]: -log sum_h exp(-E(v, h, y)).
inline at::Tensor summed_free_energy(const Rbm& rbm, const at::Tensor& v,
                                     const at::Tensor& y = {}) {
  return -at::logsumexp(-joint_energies(rbm, v, y), {1});
}

// All states of the visible units, combined with all labels if there are any; one row per state.
struct SeenStates {
  at::Tensor v;
  at::Tensor y;
};
inline SeenStates all_seen(const RbmShape& shape) {
  const at::Tensor v = all_states(shape.visible);
  if (shape.labels == 0) return {v, {}};
  return {v.repeat_interleave(shape.labels, 0), at::eye(shape.labels).repeat({v.size(0), 1})};
}

}  // namespace valley::testing
