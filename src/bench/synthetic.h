// Batches of pixels and labels that no data set holds: what a step costs does not depend on them.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "experiment/experiment.h"

namespace valley {

// uint8 [batches, share, H, W, C], each value as likely as any other: those of rank `rank`, on the
// host.
[[nodiscard]] at::Tensor synthetic_pixels(const Experiment& experiment, std::int64_t batches,
                                          std::int64_t share, int rank);

// int64 [share]: the classes in turn, or -1 where the objective looks at none.
[[nodiscard]] at::Tensor synthetic_labels(const Experiment& experiment, std::int64_t share);

}  // namespace valley
