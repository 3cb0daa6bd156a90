// The Frechet distance between normal distributions fitted to two sets of features. For features of
// the Inception network it is the FID (Heusel, Ramsauer, Unterthiner, Nessler,
// Hochreiter 2017).
#pragma once

#include <ATen/core/Tensor.h>

namespace valley {

// Mean and covariance (divided by n - 1), double.
struct Gaussian {
  at::Tensor mean;        // [F]
  at::Tensor covariance;  // [F, F]
};
[[nodiscard]] Gaussian fit_gaussian(const at::Tensor& features);  // float [n, F], n >= 2

// |m_a - m_b|^2 + tr(A + B - 2 (A B)^(1/2)). The trace of the root is the sum of the square roots
// of the eigenvalues of A^(1/2) B A^(1/2), which is symmetric; small negative ones count as zero.
[[nodiscard]] double frechet_distance(const Gaussian& a, const Gaussian& b);

}  // namespace valley
