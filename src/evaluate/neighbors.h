// Density and coverage (Naeem, Oh, Uh, Choi, Yoo: Reliable Fidelity and Diversity Metrics for
// Generative Models, ICML 2020): are samples where real images are, and are real images where
// samples are? Each real image has a ball around it that reaches to its k-th nearest real image.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "evaluate/blocks.h"

namespace valley {

inline constexpr std::int64_t kNeighbors = 5;

struct Neighborhood {
  double density;   // mean number of balls that a sample lies in, divided by k; about 1 for equal
                    // distributions, can be larger
  double coverage;  // share of balls with a sample in them; about 1 - 2^-k for equal distributions
                    // and as many samples
};

// Of each of `others` (float [M, F]) against `real` (float [N, F], N > 5), which all ranks have in
// full: they share out the rows of `real`. Distances are Euclidean, of features rounded to a grid
// of at least 2^-18 of the largest value (for up to 4,096 features), on which they are exact. A
// ball holds what is strictly nearer than its k-th neighbor, as in the authors' code: a ball around
// an image that the data hold more than k times holds nothing. Collective; the same on every rank.
[[nodiscard]] std::vector<Neighborhood> neighborhoods(const Team& team, const at::Tensor& real,
                                                      const std::vector<at::Tensor>& others);

}  // namespace valley
