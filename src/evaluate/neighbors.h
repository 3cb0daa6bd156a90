// Density and coverage (Naeem, Oh, Uh, Choi, Yoo: Reliable Fidelity and Diversity Metrics for
// Generative Models, ICML 2020). Each real image has a ball around it, whose radius is the distance
// to its k-th nearest real image.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "evaluate/blocks.h"

namespace valley {

inline constexpr std::int64_t kNeighbors = 5;

struct Neighborhood {
  // Mean number of balls around a sample, divided by k. About 1 for equal distributions; can be
  // more.
  double density;
  // Share of balls with a sample inside. About 1 - 2^-k for equal distributions and equally many
  // samples.
  double coverage;
};

// Compares each of `others` (float [M, F]) with `real` (float [N, F], N > 5). Every rank has all
// rows and processes a share of those of `real`. Distances are Euclidean and exact, for features
// rounded to a grid of at least 2^-18 of the largest value (for up to 4,096 features). The inside
// of a ball is strictly nearer than the k-th neighbor, as in the authors' code, so that the ball of
// an image that occurs more than k times is empty. Collective; equal on every rank.
[[nodiscard]] std::vector<Neighborhood> neighborhoods(const Team& team, const at::Tensor& real,
                                                      const std::vector<at::Tensor>& others);

}  // namespace valley
