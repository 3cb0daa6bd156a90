// Minimization over discrete variables y_1 .. y_n of
//   E(y) = sum_i unary_i(y_i) + sum_(i, j) pair_ij(y_i, y_j)
// by min-sum message passing (max-product for probabilities; the Viterbi algorithm on a chain).
//
// If the pairs form a forest, two sweeps of messages find the exact minimum. With loops, messages
// are iterated until they converge, and the result is the best assignment of all iterations, which
// may not be the minimum (is_exact = false).
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace valley {

struct PairEnergy {
  std::int64_t first = 0;  // variables
  std::int64_t second = 0;
  at::Tensor energy;  // double [values of first, values of second]
};

struct MinSumOptions {
  std::int64_t max_rounds = 200;  // with loops
  double damping = 0.5;           // weight of the previous message; with loops
};

struct MinSumResult {
  std::vector<std::int64_t> values;  // per variable
  double energy = 0;                 // E(values)
  bool is_exact = true;              // true: proven minimum
  bool converged = true;             // messages stopped changing
  std::int64_t rounds = 0;
};

// `unary`: double [values] per variable, on the host; infinite for impossible values. Several pairs
// of the same variables add up. Ties on a chain in ascending order go to the lowest values. Error
// kData for wrong shapes, an unknown variable or one paired with itself, NaN, and if no assignment
// has a finite energy.
[[nodiscard]] MinSumResult min_sum(const std::vector<at::Tensor>& unary,
                                   const std::vector<PairEnergy>& pairs,
                                   const MinSumOptions& options = {});

// A chain of n variables with k values each: unary double [n, k], transition double [k, k] between
// the values of successive variables (Viterbi 1967).
[[nodiscard]] MinSumResult viterbi(const at::Tensor& unary, const at::Tensor& transition);

}  // namespace valley
