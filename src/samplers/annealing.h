// Annealed importance sampling of the partition function of an RBM (Neal: Annealed Importance
// Sampling, 2001; Salakhutdinov and Murray: On the Quantitative Analysis of Deep Belief Networks,
// ICML 2008).
//
// Chains go from an RBM without weights, whose Z is known, to the given RBM through
//   log p*_t(v, y) = (1 - t) log p_A(v) + t (b'v + d'y) + sum_j softplus(t (c + Wv + Uy)_j)
// for t rising from 0 to 1, where log p_A(v) = a'v with base rates a. For Gaussian visible units,
// -|v - a|^2 / 2 and -|v - b|^2 / 2 replace a'v and b'v. The mean over chains of the products of
// p*_t(v) / p*_t'(v), with t' the temperature before t, is an unbiased estimate of Z / Z_A.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>
#include <vector>

#include "nn/rbm.h"

namespace valley {

// 0 = t_0 < ... < t_steps = 1 as in the 2008 paper: of 14,500 steps 500 cover [0, 0.5], 4,000 [0.5,
// 0.9] and 10,000 [0.9, 1]; other counts are split in proportion. steps >= 3.
[[nodiscard]] std::vector<double> annealing_temperatures(std::int64_t steps);

// Visible biases a [visible] of the base RBM: log(p / (1 - p)), with the pixels' means p clamped to
// [0.01, 0.99]; 0 for Gaussian units, whose pixels are standardized; the RBM's visible biases if
// its visible units are not pixels.
[[nodiscard]] at::Tensor base_rates(const Rbm& rbm);

// log Z_A of the base RBM: visible biases `base`, no weights, and the hidden and label units of
// `rbm` without biases.
[[nodiscard]] double log_base_partition(const Rbm& rbm, const at::Tensor& base);

// Logarithms of the products above for chains [first, first + n): double [n] on the host. Chain i
// draws from Philox streams kAnnealing and kAnnealingNoise with key `seed` at position i.
[[nodiscard]] at::Tensor annealed_log_weights(const Rbm& rbm, const at::Tensor& base,
                                              std::span<const double> temperatures,
                                              std::uint64_t seed, std::int64_t first,
                                              std::int64_t n);

}  // namespace valley
