// Slices of sums over many elements: each is summed separately, then the sums in order, so that the
// result does not depend on the number of threads.
#pragma once

#include <algorithm>
#include <cstdint>

#include "core/philox.h"

namespace valley::kernels {

// Enough slices for all multiprocessors of a GPU, few enough for one of them to sum.
inline std::int64_t slices_of_sum(std::int64_t n) {
  return std::clamp<std::int64_t>(n / 4096, 1, 1024);
}

// Slice s holds the elements [slice_begin(n, slices, s), slice_begin(n, slices, s + 1)).
VALLEY_HOST_DEVICE inline std::int64_t slice_begin(std::int64_t n, std::int64_t slices,
                                                   std::int64_t s) {
  return n / slices * s + n % slices * s / slices;
}

}  // namespace valley::kernels
