#include "evaluate/frechet.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/linalg_eigh.h>
#include <ATen/ops/linalg_eigvalsh.h>
#include <ATen/ops/mm.h>

#include <tuple>

namespace valley {

Gaussian fit_gaussian(const at::Tensor& features) {
  const at::Tensor values = features.to(at::kDouble);
  const at::Tensor mean = values.mean(0);
  const at::Tensor centered = values - mean;
  return {mean, at::mm(centered.t(), centered) / static_cast<double>(values.size(0) - 1)};
}

double frechet_distance(const Gaussian& a, const Gaussian& b) {
  const auto [values, vectors] = at::linalg_eigh(a.covariance);
  const at::Tensor root = at::mm(vectors * values.clamp_min(0.0).sqrt(), vectors.t());
  const at::Tensor product = at::mm(at::mm(root, b.covariance), root);
  const at::Tensor roots = at::linalg_eigvalsh((product + product.t()) / 2).clamp_min(0.0).sqrt();
  const at::Tensor distance = (a.mean - b.mean).square().sum() + a.covariance.trace() +
                              b.covariance.trace() - 2 * roots.sum();
  return distance.item<double>();
}

}  // namespace valley
