// Annealed importance sampling of a restricted Boltzmann machine's partition function (Neal:
// Annealed Importance Sampling, 2001; Salakhutdinov and Murray: On the Quantitative Analysis of
// Deep Belief Networks, ICML 2008).
//
// Chains go from a machine without weights, whose Z is known, to the one of interest through
//   log p*_t(v, y) = (1 - t) log p_A(v) + t (b'v + d'y) + sum_j softplus(t (c + Wv + Uy)_j)
// for t rising from 0 to 1, where log p_A(v) = a'v of base rates a. Gaussian visible units have
// -|v - a|^2 / 2 and -|v - b|^2 / 2 for a'v and b'v. The mean over chains of the products of
// p*_t(v) / p*_t'(v), t' the temperature before t, is Z / Z_A without bias.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>
#include <vector>

#include "nn/rbm.h"

namespace valley {

// 0 = t_0 < ... < t_steps = 1 as in the 2008 paper: of 14,500 steps 500 go to 0.5, 4,000 on to 0.9
// and 10,000 to 1, others in these proportions. steps >= 3.
[[nodiscard]] std::vector<double> annealing_temperatures(std::int64_t steps);

// Visible biases a [visible] of the machine that chains begin with: log(p / (1 - p)) of the pixels'
// means p within [0.01, 0.99]; for Gaussian units, whose pixels are standardised, 0; for a machine
// that sees no images its own visible biases.
[[nodiscard]] at::Tensor base_rates(const Rbm& rbm);

// log Z_A of the machine with these visible biases, no weights, and the hidden and label units of
// `rbm` without biases.
[[nodiscard]] double log_base_partition(const Rbm& rbm, const at::Tensor& base);

// log of the products above of chains [first, first + n): double [n] on the host. Chain i draws
// from Philox streams kAnnealing and kAnnealingNoise with key `seed` at position i.
[[nodiscard]] at::Tensor annealed_log_weights(const Rbm& rbm, const at::Tensor& base,
                                              std::span<const double> temperatures,
                                              std::uint64_t seed, std::int64_t first,
                                              std::int64_t n);

}  // namespace valley
