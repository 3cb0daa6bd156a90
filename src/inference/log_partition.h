// log Z of a restricted Boltzmann machine, Z the sum of exp(-E) over all states (the integral over
// Gaussian visible units): by enumeration where it is small, else from the weights of annealed
// chains (samplers/annealing.h). In nats.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "nn/rbm.h"

namespace valley {

struct LogPartition {
  double value = 0;
  double standard_error = 0;    // 0 if it was enumerated
  double effective_chains = 0;  // (sum w)^2 / sum w^2; few of many: a few chains decide
  std::int64_t chains = 0;      // 0: enumerated
};

// Whether the hidden units, or Bernoulli visible ones, are at most 20.
[[nodiscard]] bool can_enumerate(const Rbm& rbm);
// Over all states of the smaller layer, the other one and the label units summed in closed form, in
// double precision. can_enumerate(rbm) must hold.
[[nodiscard]] LogPartition enumerate_partition(const Rbm& rbm);

// log Z = log Z_A + log mean_i w_i from log w_i, double [chains] on the host, at least two. The
// standard error is that of the mean over the mean (the delta method), which is too small where
// effective_chains is a small number.
[[nodiscard]] LogPartition partition_of_weights(double log_base, const at::Tensor& log_weights);

}  // namespace valley
