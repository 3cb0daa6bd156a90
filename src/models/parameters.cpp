#include "models/parameters.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>

#include <cmath>

#include "core/error.h"
#include "core/hash.h"
#include "core/philox.h"

namespace valley {
namespace {

void fill(float* out, std::int64_t n, double bound, std::uint64_t seed, std::uint64_t position) {
  const auto scale = static_cast<float>(bound);
  constexpr auto kStream = static_cast<std::uint32_t>(RandomStream::kWeights);
  for (std::int64_t i = 0; i < n; i += 4) {
    const PhiloxBlock block = philox(seed, kStream, position, static_cast<std::uint32_t>(i / 4));
    for (std::int64_t j = 0; j < 4 && i + j < n; ++j) {
      out[i + j] = scale * (2.0F * uniform01(block.word[j]) - 1.0F);
    }
  }
}

}  // namespace

Initializer Initializer::xavier_uniform(std::int64_t fan_in, std::int64_t fan_out) {
  return {Kind::kUniform, std::sqrt(6.0 / static_cast<double>(fan_in + fan_out))};
}

at::Tensor ParameterSet::add(const std::string& name, at::IntArrayRef shape,
                             const Initializer& initializer) {
  for (const Parameter& p : parameters_) VALLEY_CHECK(p.name != name);
  parameters_.push_back(
      {name, at::zeros(shape, at::TensorOptions(device_).dtype(at::kFloat)), initializer});
  return parameters_.back().value;
}

void ParameterSet::initialize(std::uint64_t seed, const std::string& prefix) const {
  const at::NoGradGuard no_grad;
  for (const Parameter& p : parameters_) {
    at::Tensor values = at::zeros(p.value.sizes(), at::kFloat);
    if (p.initializer.kind == Initializer::Kind::kUniform) {
      fill(values.mutable_data_ptr<float>(), values.numel(), p.initializer.bound, seed,
           hash64(prefix + p.name));
    }
    p.value.copy_(values);
  }
}

std::int64_t ParameterSet::count() const {
  std::int64_t sum = 0;
  for (const Parameter& p : parameters_) sum += p.value.numel();
  return sum;
}

void ParameterSet::require_grad(bool on) const {
  for (const Parameter& p : parameters_) p.value.set_requires_grad(on);
}

}  // namespace valley
