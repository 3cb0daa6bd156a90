#include "nn/parameters.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/full.h>
#include <ATen/ops/sub.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <torch/csrc/autograd/custom_function.h>

#include <cmath>
#include <stdexcept>
#include <utility>

#include "core/error.h"
#include "core/hash.h"
#include "core/philox.h"

namespace valley {
namespace {

void fill(float* out, std::int64_t n, const Initializer& initializer, std::uint64_t seed,
          RandomStream stream, std::uint64_t position) {
  const auto scale = static_cast<float>(initializer.value);
  for (std::int64_t i = 0; i < n; i += 4) {
    const PhiloxBlock block = philox(seed, static_cast<std::uint32_t>(stream), position,
                                     static_cast<std::uint32_t>(i / 4));
    float values[4];
    if (initializer.kind == Initializer::Kind::kNormal) {
      const NormalPair a = normal01(block.word[0], block.word[1]);
      const NormalPair b = normal01(block.word[2], block.word[3]);
      values[0] = a.first, values[1] = a.second, values[2] = b.first, values[3] = b.second;
    } else {
      for (int j = 0; j < 4; ++j) values[j] = 2.0F * uniform01(block.word[j]) - 1.0F;
    }
    for (std::int64_t j = 0; j < 4 && i + j < n; ++j) out[i + j] = scale * values[j];
  }
}

void initialize_tensor(const at::Tensor& value, const Initializer& initializer, std::uint64_t seed,
                       RandomStream stream, const std::string& name) {
  at::Tensor values = at::full(value.sizes(), initializer.value, at::kFloat);
  if (initializer.kind != Initializer::Kind::kConstant) {
    fill(values.mutable_data_ptr<float>(), values.numel(), initializer, seed, stream, hash64(name));
  }
  value.copy_(values);
}

// Replaces the value by its bf16 copy; gradients go to the value.
class Bf16Weight : public torch::autograd::Function<Bf16Weight> {
 public:
  static at::Tensor forward(torch::autograd::AutogradContext* /*context*/,
                            const at::Tensor& /*value*/, const at::Tensor& bf16_copy) {
    return bf16_copy.detach();
  }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* /*context*/,
                                                 const torch::autograd::variable_list& gradients) {
    return {gradients[0].to(at::kFloat), at::Tensor()};
  }
};

}  // namespace

at::Tensor in_type(const at::Tensor& value, const at::Tensor& bf16_copy, at::ScalarType type) {
  if (bf16_copy.defined() && bf16_copy.scalar_type() == type)
    return Bf16Weight::apply(value, bf16_copy);
  return value.to(type);
}

Initializer Initializer::xavier_uniform(std::int64_t fan_in, std::int64_t fan_out) {
  return uniform(std::sqrt(6.0 / static_cast<double>(fan_in + fan_out)));
}

Initializer Initializer::he_normal(std::int64_t fan_in) {
  return normal(std::sqrt(2.0 / static_cast<double>(fan_in)));
}

void ParameterSet::require_new(const std::string& name) const {
  for (const Parameter& p : parameters_) VALLEY_CHECK(p.name != name);
  for (const Buffer& b : buffers_) VALLEY_CHECK(b.name != name);
}

at::Tensor ParameterSet::add(const std::string& name, at::IntArrayRef shape,
                             const Initializer& initializer) {
  require_new(name);
  parameters_.push_back(
      {name, at::zeros(shape, at::TensorOptions(device_).dtype(at::kFloat)), initializer});
  return parameters_.back().value;
}

std::size_t ParameterSet::index_of(const std::string& name) const {
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    if (parameters_[i].name == name) return i;
  }
  throw std::logic_error("no parameter called " + name);
}

std::shared_ptr<const at::Tensor> ParameterSet::bf16_copy(const std::string& name) const {
  return parameters_[index_of(name)].bf16_copy;
}

std::shared_ptr<const at::Tensor> ParameterSet::derive(
    const std::string& name, std::function<at::Tensor(const at::Tensor&)> derived_of) {
  Parameter& parameter = parameters_[index_of(name)];
  parameter.derived_of = std::move(derived_of);
  return parameter.derived;
}

at::Tensor ParameterSet::add_buffer(const std::string& name, at::IntArrayRef shape,
                                    const Initializer& initializer, Buffer::Kind kind) {
  require_new(name);
  buffers_.push_back(
      {name, at::zeros(shape, at::TensorOptions(device_).dtype(at::kFloat)), initializer, kind});
  return buffers_.back().value;
}

void ParameterSet::initialize(std::uint64_t seed, const std::string& prefix) const {
  const at::NoGradGuard no_grad;
  for (const Parameter& p : parameters_)
    initialize_tensor(p.value, p.initializer, seed, RandomStream::kWeights, prefix + p.name);
  for (const Buffer& b : buffers_)
    initialize_tensor(b.value, b.initializer, seed, RandomStream::kBuffers, prefix + b.name);
}

std::int64_t ParameterSet::count() const {
  std::int64_t sum = 0;
  for (const Parameter& p : parameters_) sum += p.value.numel();
  return sum;
}

void ParameterSet::require_grad(bool on) const {
  for (const Parameter& p : parameters_) p.value.set_requires_grad(on);
}

void add_statistic(const at::Tensor& running, const at::Tensor& moment, double weight) {
  at::Tensor& statistic = running.mutable_grad();
  if (!statistic.defined()) statistic = at::zeros_like(running);
  statistic.add_(moment - running, weight);
}

}  // namespace valley
