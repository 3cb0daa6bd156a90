#include "inference/log_partition.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/addmm.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/bitwise_and.h>
#include <ATen/ops/bitwise_right_shift.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/exp.h>
#include <ATen/ops/logsumexp.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/softplus.h>
#include <ATen/ops/square.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <numbers>
#include <vector>

#include "core/error.h"

namespace valley {
namespace {

constexpr std::int64_t kMaxEnumeratedUnits = 20;

// log sum of exp(log_terms(states)) over all states of `units` binary units.
double sum_over_states(std::int64_t units,
                       const std::function<at::Tensor(const at::Tensor& states)>& log_terms) {
  const std::int64_t count = std::int64_t{1} << units;
  const std::int64_t batch = std::min<std::int64_t>(count, 2048);
  const at::Tensor bits = at::arange(units, at::kLong);
  std::vector<at::Tensor> sums;
  for (std::int64_t first = 0; first < count; first += batch) {
    const at::Tensor numbers = at::arange(first, first + batch, at::kLong).unsqueeze(1);
    const at::Tensor states = at::bitwise_and(at::bitwise_right_shift(numbers, bits), 1);
    sums.push_back(at::logsumexp(log_terms(states.to(at::kDouble)), {0}).unsqueeze(0));
  }
  return at::logsumexp(at::cat(sums), {0}).item<double>();
}

at::Tensor exact(const at::Tensor& t) { return t.to(at::kCPU).to(at::kDouble); }

// log sum over v and y of exp(-E(v, h, y)) for h [n, hidden].
at::Tensor log_mass_of_hidden(const Rbm& rbm, const at::Tensor& h) {
  const at::Tensor bias = exact(rbm.visible_bias());
  const at::Tensor input = at::addmm(bias, h, exact(rbm.weight()));
  at::Tensor mass = at::matmul(h, exact(rbm.hidden_bias()));
  if (rbm.is_gaussian()) {
    const double constant =
        0.5 * static_cast<double>(rbm.shape().visible) * std::log(2 * std::numbers::pi);
    mass = mass + (at::square(input) - at::square(bias)).sum(1) / 2 + constant;
  } else {
    mass = mass + at::softplus(input).sum(1);
  }
  if (rbm.shape().labels == 0) return mass;
  const at::Tensor scores = at::addmm(exact(rbm.label_bias()), h, exact(rbm.label_weight()));
  return mass + at::logsumexp(scores, {1});
}

// log sum over h and y of exp(-E(v, h, y)) for v [n, visible] of Bernoulli units.
at::Tensor log_mass_of_visible(const Rbm& rbm, const at::Tensor& v) {
  const at::Tensor input = at::addmm(exact(rbm.hidden_bias()), v, exact(rbm.weight()).t());
  const at::Tensor linear = at::matmul(v, exact(rbm.visible_bias()));
  if (rbm.shape().labels == 0) return linear + at::softplus(input).sum(1);
  const at::Tensor with_label = input.unsqueeze(1) + exact(rbm.label_weight()).t();
  const at::Tensor scores = at::softplus(with_label).sum(2) + exact(rbm.label_bias());
  return linear + at::logsumexp(scores, {1});
}

bool sums_over_visible(const Rbm& rbm) {
  return !rbm.is_gaussian() && rbm.shape().visible < rbm.shape().hidden;
}

}  // namespace

bool can_enumerate(const Rbm& rbm) {
  return (sums_over_visible(rbm) ? rbm.shape().visible : rbm.shape().hidden) <= kMaxEnumeratedUnits;
}

LogPartition enumerate_partition(const Rbm& rbm) {
  VALLEY_CHECK(can_enumerate(rbm));
  const at::NoGradGuard no_grad;
  LogPartition found;
  found.value =
      sums_over_visible(rbm)
          ? sum_over_states(rbm.shape().visible,
                            [&](const at::Tensor& v) { return log_mass_of_visible(rbm, v); })
          : sum_over_states(rbm.shape().hidden,
                            [&](const at::Tensor& h) { return log_mass_of_hidden(rbm, h); });
  return found;
}

LogPartition partition_from_weights(double log_base, const at::Tensor& log_weights) {
  const auto n = log_weights.size(0);
  VALLEY_CHECK(n >= 2);
  const double largest = log_weights.max().item<double>();
  const at::Tensor weights = at::exp(log_weights - largest);
  const double mean = weights.mean().item<double>();
  const double deviation = weights.std().item<double>();
  LogPartition found;
  found.value = log_base + largest + std::log(mean);
  found.standard_error = deviation / mean / std::sqrt(static_cast<double>(n));
  found.effective_chains =
      std::pow(weights.sum().item<double>(), 2) / at::square(weights).sum().item<double>();
  found.chains = n;
  return found;
}

}  // namespace valley
