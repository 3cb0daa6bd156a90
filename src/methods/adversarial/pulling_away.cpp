#include "methods/adversarial/pulling_away.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/clamp_min.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/square.h>
#include <ATen/ops/triu.h>
#include <ATen/ops/zeros.h>

#include "core/error.h"

namespace valley {

PullingAway parse_pulling_away(const std::string& name) {
  if (name == "none") return PullingAway::kNone;
  if (name == "squared") return PullingAway::kSquared;
  if (name == "cosine") return PullingAway::kCosine;
  throw Error(ExitCode::kConfig,
              "objective.pulling_away is \"{}\"; it can be none, squared, cosine", name);
}

at::Tensor pulling_away(PullingAway kind, const at::Tensor& codes) {
  if (kind == PullingAway::kNone) return at::zeros({}, codes.options());
  constexpr double kMinNorm = 1e-12;  // codes of zeros contribute 0
  const at::Tensor s = codes.flatten(1);
  const at::Tensor norms = at::linalg_vector_norm(s, 2, at::IntArrayRef({1}), true);
  const at::Tensor directions = s / at::clamp_min(norms, kMinNorm);
  const at::Tensor cosines = at::matmul(directions, directions.t());  // [N, N]
  const at::Tensor terms = kind == PullingAway::kSquared ? at::square(cosines) : cosines;
  const auto n = static_cast<double>(codes.size(0));
  return at::triu(terms, 1).sum() * (2 / (n * (n - 1)));  // each pair once, counted twice
}

}  // namespace valley
