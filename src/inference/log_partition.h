// log Z of a restricted Boltzmann machine in nats, where Z is the sum of exp(-E) over all states
// (an integral for Gaussian visible units): by enumeration for small RBMs, else from the weights of
// annealed importance sampling (samplers/annealing.h).
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "nn/rbm.h"

namespace valley {

struct LogPartition {
  double value = 0;
  double standard_error = 0;    // 0: enumerated
  double effective_chains = 0;  // (sum w)^2 / sum w^2
  std::int64_t chains = 0;      // 0: enumerated
};

// True if there are at most 20 hidden or at most 20 Bernoulli visible units.
[[nodiscard]] bool can_enumerate(const Rbm& rbm);
// Sums over all states of the smaller layer in double precision; the other layer and the label
// units are summed in closed form. Requires can_enumerate(rbm).
[[nodiscard]] LogPartition enumerate_partition(const Rbm& rbm);

// log Z = log Z_A + log mean_i w_i, from log w_i: double [chains] on the host, at least two. The
// standard error is std(w) / (mean(w) sqrt(n)) (delta method), an underestimate for few effective
// chains.
[[nodiscard]] LogPartition partition_from_weights(double log_base, const at::Tensor& log_weights);

}  // namespace valley
