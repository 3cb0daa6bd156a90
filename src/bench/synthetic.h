// Batches of random pixels and labels, whose values do not affect the cost of a step.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "experiment/experiment.h"

namespace valley {

// Uniform random pixels of one rank, uint8 [batches, share, H, W, C] on the host.
[[nodiscard]] at::Tensor synthetic_pixels(const Experiment& experiment, std::int64_t batches,
                                          std::int64_t share, int rank);

// int64 [share]: all classes in turn, or -1 if the objective uses no labels.
[[nodiscard]] at::Tensor synthetic_labels(const Experiment& experiment, std::int64_t share);

}  // namespace valley
