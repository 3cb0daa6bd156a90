// The weights of a deep belief network's units as images: what each looks for in the pixels.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "methods/dbn/networks.h"

namespace valley {

struct Filters {
  at::Tensor pixels;  // uint8 [n, H, W, C] on the host: 128 where a weight is 0
  double scale = 0;   // the weight that 0 and 255 stand for
};

// Of the `n` hidden units of machine `layer` (0: the first) with the longest rows, longest first,
// or of all if there are fewer. A unit of a deeper machine is shown as its weights times those of
// the machines below, which leaves out their sigmoids. One scale for all: the largest absolute
// value that one weight in a thousand exceeds; these are clipped.
[[nodiscard]] Filters filters_of(const DeepBeliefNetwork& dbn, std::size_t layer, std::int64_t n);

}  // namespace valley
