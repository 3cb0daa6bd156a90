#include "nn/rbm.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/addmm.h>
#include <ATen/ops/clamp.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/log.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/sigmoid.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/softplus.h>
#include <ATen/ops/sqrt.h>
#include <ATen/ops/square.h>
#include <fmt/core.h>

#include <numbers>

#include "core/error.h"

namespace valley {
namespace {

constexpr double kMinDeviation = 0.05;
constexpr double kMinProbability = 0.01;

}  // namespace

Rbm::Rbm(const RbmShape& s, at::Device device)
    : Network(device),
      shape_(s),
      weight_(parameters_.add("weight", {s.hidden, s.visible}, s.weights)),
      visible_bias_(parameters_.add("visible_bias", {s.visible}, Initializer::zero())),
      hidden_bias_(parameters_.add("hidden_bias", {s.hidden}, Initializer::zero())) {
  if (s.labels > 0) {
    label_weight_ = parameters_.add("label_weight", {s.hidden, s.labels}, s.weights);
    label_bias_ = parameters_.add("label_bias", {s.labels}, Initializer::zero());
  }
  if (s.sees_images) {
    pixel_mean_ = parameters_.add_buffer("pixel_mean", {s.visible}, Initializer::constant(0.5),
                                         Buffer::Kind::kStatistic);
    pixel_square_ = parameters_.add_buffer("pixel_square", {s.visible}, Initializer::constant(1.25),
                                           Buffer::Kind::kStatistic);
  }
}

at::Tensor Rbm::hidden_input(const at::Tensor& v, const at::Tensor& y) const {
  const at::Tensor input = at::linear(v, weight_, hidden_bias_);
  if (!y.defined()) return input;
  VALLEY_CHECK(shape_.labels > 0);
  return at::addmm(input, y, label_weight_.t());
}

at::Tensor Rbm::hidden(const at::Tensor& v, const at::Tensor& y) const {
  return at::sigmoid(hidden_input(v, y));
}

at::Tensor Rbm::visible_input(const at::Tensor& h) const {
  return at::addmm(visible_bias_, h, weight_);
}

at::Tensor Rbm::visible_mean(const at::Tensor& h) const {
  const at::Tensor input = visible_input(h);
  return is_gaussian() ? input : at::sigmoid(input);
}

at::Tensor Rbm::label_probabilities(const at::Tensor& h) const {
  return at::softmax(at::addmm(label_bias_, h, label_weight_), 1);
}

at::Tensor Rbm::visible_energy(const at::Tensor& v) const {
  return is_gaussian() ? at::square(v - visible_bias_).sum(1) / 2 : -at::matmul(v, visible_bias_);
}

at::Tensor Rbm::free_energy(const at::Tensor& v, const at::Tensor& y) const {
  if (shape_.labels > 0 && !y.defined()) return marginal_energy(free_energies_of_labels(v));
  return free_energy_of(hidden_input(v, y), v, y);
}

at::Tensor Rbm::free_energy_of(const at::Tensor& input, const at::Tensor& v,
                               const at::Tensor& y) const {
  const at::Tensor energy = visible_energy(v) - at::softplus(input).sum(1);
  return y.defined() ? energy - at::matmul(y, label_bias_) : energy;
}

at::Tensor Rbm::free_energies_of_labels(const at::Tensor& v) const {
  const at::Tensor input = hidden_input(v).unsqueeze(1) + label_weight_.t();  // [B, labels, hidden]
  return visible_energy(v).unsqueeze(1) - label_bias_ - at::softplus(input).sum(2);
}

at::Tensor Rbm::log_likelihood(const at::Tensor& v, const at::Tensor& h) const {
  const at::Tensor input = visible_input(h);
  if (!is_gaussian()) return (v * input - at::softplus(input)).sum(1);
  const double constant =
      0.5 * static_cast<double>(shape_.visible) * std::log(2 * std::numbers::pi);
  return at::square(v - input).sum(1) / -2 - constant;
}

at::Tensor Rbm::pixel_deviation() const {
  const at::Tensor variance = pixel_square_ - at::square(pixel_mean_);
  return at::sqrt(at::clamp(variance, kMinDeviation * kMinDeviation));
}

at::Tensor Rbm::from_unit(const at::Tensor& pixels) const {
  return is_gaussian() ? (pixels - pixel_mean_) / pixel_deviation() : pixels;
}

at::Tensor Rbm::to_unit(const at::Tensor& v) const {
  return is_gaussian() ? v * pixel_deviation() + pixel_mean_ : v;
}

void Rbm::note_moments(const at::Tensor& pixels, double weight) const {
  const at::NoGradGuard no_grad;
  add_statistic(pixel_mean_, pixels.mean(0), weight);
  add_statistic(pixel_square_, at::square(pixels).mean(0), weight);
}

void Rbm::set_visible_bias() const {
  const at::NoGradGuard no_grad;
  if (is_gaussian()) {
    visible_bias_.zero_();
    return;
  }
  const at::Tensor p = at::clamp(pixel_mean_, kMinProbability, 1 - kMinProbability);
  visible_bias_.copy_(at::log(p) - at::log(1 - p));
}

std::vector<LayerInfo> Rbm::layers() const {
  const std::int64_t seen = shape_.visible + shape_.labels;
  std::string name = is_gaussian() ? "rbm of gaussian units" : "rbm of bernoulli units";
  if (shape_.labels > 0) name += fmt::format(" + {} labels", shape_.labels);
  // Activations of contrastive divergence: two states of each unit with probabilities and draws; of
  // fine-tuning: the inputs of the hidden units per label.
  constexpr std::int64_t kKept = 4;
  return {{name, fmt::format("[{}]", shape_.hidden), parameters_.count(),
           kKept * (seen + shape_.hidden) + shape_.labels * shape_.hidden, seen * shape_.hidden}};
}

}  // namespace valley
