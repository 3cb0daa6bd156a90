// The weights of hidden units of a deep belief network as images.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "methods/dbn/networks.h"

namespace valley {

struct Filters {
  at::Tensor pixels;  // uint8 [n, H, W, C] on the host: 128 where a weight is 0
  double scale = 0;   // absolute weight at pixel values 0 and 255
};

// Filters of the `n` hidden units of RBM `layer` (0: the first) whose weight vectors have the
// largest norms, in descending order; all if there are fewer. The filter of a unit in a deeper RBM
// is its weight vector times the weights of the RBMs below, without their sigmoids. All filters
// have one scale, the 99.9th percentile of the absolute weights; larger ones are clipped.
[[nodiscard]] Filters compute_filters(const DeepBeliefNetwork& dbn, std::size_t layer,
                                      std::int64_t n);

}  // namespace valley
