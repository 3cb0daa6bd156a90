#include "nn/spectral_norm.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/clamp_min.h>
#include <ATen/ops/dot.h>
#include <ATen/ops/mv.h>

namespace valley {
namespace {

constexpr int kRoundsAtStart = 15;
// Lower bound of norms in divisions.
constexpr double kShortest = 1e-12;

at::Tensor unit(const at::Tensor& x) { return x / at::clamp_min(x.norm(), kShortest); }

}  // namespace

SpectralNorm::SpectralNorm(ParameterSet& set, const std::string& name, const at::Tensor& weight,
                           Kind kind)
    : weight_(weight),
      kind_(kind),
      u_(set.add_buffer(name + ".u", {weight.size(0)}, Initializer::normal(1),
                        Buffer::Kind::kDerived)),
      v_(set.add_buffer(name + ".v", {weight.numel() / weight.size(0)}, Initializer::normal(1),
                        Buffer::Kind::kDerived)) {}

at::Tensor SpectralNorm::operator()() const {
  const at::Tensor sigma = at::dot(u_, at::mv(weight_.flatten(1), v_));
  return weight_ / (kind_ == Kind::kBound ? at::clamp_min(sigma, 1) : sigma);
}

void SpectralNorm::iterate(int rounds) const {
  const at::NoGradGuard no_grad;
  const at::Tensor matrix = weight_.detach().flatten(1);
  for (int i = 0; i < rounds; ++i) {
    v_.copy_(unit(at::mv(matrix.t(), u_)));
    u_.copy_(unit(at::mv(matrix, v_)));
  }
}

int power_rounds(std::int64_t steps_done) { return steps_done == 0 ? kRoundsAtStart : 1; }

}  // namespace valley
