#include "samplers/annealing.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/abs.h>
#include <ATen/ops/addmm.h>
#include <ATen/ops/clamp.h>
#include <ATen/ops/expm1.h>
#include <ATen/ops/full.h>
#include <ATen/ops/log.h>
#include <ATen/ops/log1p.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/sigmoid.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/softplus.h>
#include <ATen/ops/square.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/error.h"
#include "samplers/gibbs.h"

namespace valley {
namespace {

constexpr double kMinRate = 0.01;

// sum over j of softplus((t + rise) x_j) - softplus(t x_j), double [B], from x [B, hidden]. In
// float, the difference of two nearly equal sums would lose all digits; this form has no
// cancellation.
at::Tensor softplus_rise(const at::Tensor& x, double t, double rise) {
  const at::Tensor size = at::abs(x);
  const at::Tensor rest = at::log1p(at::sigmoid(size * -t) * at::expm1(size * -rise));
  return (at::relu(x) * rise + rest).sum(1, false, at::kDouble);
}

class Annealing {
 public:
  Annealing(const Rbm& rbm, const at::Tensor& base, const ChainPlace& place, std::int64_t n)
      : rbm_(rbm), base_(base), n_(n), draws_(rbm, place, RandomStream::kAnnealingNoise) {
    rise_of_visible_ = rbm.visible_bias() - base;
    if (rbm.is_gaussian())
      rise_constant_ = (at::square(base) - at::square(rbm.visible_bias())).sum().item<double>() / 2;
  }

  // Draws a state of the base RBM.
  [[nodiscard]] VisibleState begin() const {
    VisibleState seen = draw(base_.expand({n_, base_.size(0)}), 0);
    const std::int64_t labels = rbm_.shape().labels;
    if (labels > 0)
      seen.y = draws_.label(
          at::full({n_, labels}, 1.0 / static_cast<double>(labels), base_.options()), 0);
    return seen;
  }

  // log p*_{t + rise}(state) - log p*_t(state), given the input of the hidden units.
  [[nodiscard]] at::Tensor gain(const VisibleState& seen, const at::Tensor& input, double t,
                                double rise) const {
    at::Tensor linear = at::matmul(seen.v, rise_of_visible_).to(at::kDouble) + rise_constant_;
    if (seen.y.defined()) linear = linear + at::matmul(seen.y, rbm_.label_bias());
    return softplus_rise(input, t, rise) + linear * rise;
  }

  // One Gibbs step of p_t.
  [[nodiscard]] VisibleState move(const at::Tensor& input, double t, std::int64_t step) const {
    const at::Tensor h = draws_.hidden(at::sigmoid(input * t), step);
    VisibleState seen = draw(rbm_.visible_input(h) * t + base_ * (1 - t), step);
    if (rbm_.shape().labels > 0) {
      const at::Tensor scores = at::addmm(rbm_.label_bias(), h, rbm_.label_weight());
      seen.y = draws_.label(at::softmax(scores * t, 1), step);
    }
    return seen;
  }

  [[nodiscard]] std::int64_t max_steps() const { return draws_.max_steps(); }

 private:
  [[nodiscard]] VisibleState draw(const at::Tensor& input, std::int64_t step) const {
    return {draws_.visible(rbm_.is_gaussian() ? input : at::sigmoid(input), step), {}};
  }

  const Rbm& rbm_;
  at::Tensor base_;
  std::int64_t n_;
  GibbsDraws draws_;
  at::Tensor rise_of_visible_;
  double rise_constant_ = 0;
};

}  // namespace

std::vector<double> annealing_temperatures(std::int64_t steps) {
  VALLEY_CHECK(steps >= 3);
  constexpr double kPaper = 14500;
  const auto share = [&](double of) {
    return std::max<std::int64_t>(1, std::llround(static_cast<double>(steps) * of / kPaper));
  };
  const std::int64_t low = share(500);
  const std::int64_t middle = std::min(share(4000), steps - low - 1);
  const std::int64_t high = steps - low - middle;
  std::vector<double> temperatures{0};
  const auto rise = [&](double from, double to, std::int64_t n) {
    for (std::int64_t i = 1; i < n; ++i)
      temperatures.push_back(from + (to - from) * static_cast<double>(i) / static_cast<double>(n));
    temperatures.push_back(to);
  };
  rise(0, 0.5, low);
  rise(0.5, 0.9, middle);
  rise(0.9, 1, high);
  return temperatures;
}

at::Tensor base_rates(const Rbm& rbm) {
  const at::NoGradGuard no_grad;
  if (!rbm.shape().sees_images) return rbm.visible_bias().clone();
  if (rbm.is_gaussian()) return at::zeros_like(rbm.visible_bias());
  const at::Tensor p = at::clamp(rbm.pixel_mean(), kMinRate, 1 - kMinRate);
  return at::log(p) - at::log(1 - p);
}

double log_base_partition(const Rbm& rbm, const at::Tensor& base) {
  const RbmShape& shape = rbm.shape();
  double log_z = static_cast<double>(shape.hidden) * std::numbers::ln2;
  if (shape.labels > 0) log_z += std::log(static_cast<double>(shape.labels));
  if (rbm.is_gaussian())
    return log_z + 0.5 * static_cast<double>(shape.visible) * std::log(2 * std::numbers::pi);
  return log_z + at::softplus(base.to(at::kDouble)).sum().item<double>();
}

at::Tensor annealed_log_weights(const Rbm& rbm, const at::Tensor& base,
                                std::span<const double> temperatures, std::uint64_t seed,
                                std::int64_t first, std::int64_t n) {
  const at::NoGradGuard no_grad;
  const at::Device device = rbm.weight().device();
  const ChainPlace place{seed, RandomStream::kAnnealing,
                         at::full({}, first, at::TensorOptions(device).dtype(at::kLong)), 0};
  const Annealing annealing(rbm, base, place, n);
  const auto steps = static_cast<std::int64_t>(temperatures.size()) - 1;
  VALLEY_CHECK(steps >= 1 && steps <= annealing.max_steps());
  VisibleState seen = annealing.begin();
  at::Tensor weights = at::zeros({n}, at::TensorOptions(device).dtype(at::kDouble));
  for (std::int64_t step = 1;; ++step) {
    const double before = temperatures[static_cast<std::size_t>(step) - 1];
    const double now = temperatures[static_cast<std::size_t>(step)];
    const at::Tensor input = rbm.hidden_input(seen.v, seen.y);
    weights += annealing.gain(seen, input, before, now - before);
    if (step == steps) return weights.to(at::kCPU);
    seen = annealing.move(input, now, step);
  }
}

}  // namespace valley
