// Energies of many variables at once: which values of y_1 .. y_n, each of a few, have the lowest
//   E(y) = sum_i unary_i(y_i) + sum_(i, j) pair_ij(y_i, y_j)
// by min-sum messages (max-product in the language of probabilities; Viterbi's algorithm on a
// chain).
//
// Where the pairs form a forest (chains and trees) two passes of messages give the minimum,
// exactly. With loops messages go round until they stand still; what they give is then the best of
// all values that were seen on the way, and need not be the minimum: `is_exact` says so.
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
  std::int64_t most_rounds = 200;  // with loops
  double damping = 0.5;            // share of the old message that a new one keeps; with loops
};

struct MinSumResult {
  std::vector<std::int64_t> values;  // of each variable
  double energy = 0;                 // E(values)
  bool is_exact = true;              // whether it is the minimum for certain
  bool stood_still = true;           // whether messages came to rest
  std::int64_t rounds = 0;
};

// `unary`: double [values] of each variable, on the host; infinite where a value is ruled out.
// Several pairs of the same variables add up. Of equal energies the lowest values win on a chain
// that is in order. Error kData for shapes that do not fit, a variable that is not there or is
// paired with itself, for energies that are NaN, and when nothing has a finite energy.
[[nodiscard]] MinSumResult min_sum(const std::vector<at::Tensor>& unary,
                                   const std::vector<PairEnergy>& pairs,
                                   const MinSumOptions& options = {});

// A chain of n variables of k values each: unary double [n, k], transition double [k, k] from each
// value to that of the next variable (Viterbi 1967).
[[nodiscard]] MinSumResult viterbi(const at::Tensor& unary, const at::Tensor& transition);

}  // namespace valley
