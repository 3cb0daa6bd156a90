// Loops that Winograd and small-channel convolutions share; included by both, under their rules.
#pragma once

#include <cstdint>

namespace valley::kernels::cpu {
namespace {

[[maybe_unused]] std::int64_t less(std::int64_t a, std::int64_t b) { return a < b ? a : b; }

// sums += values; n a multiple of 16.
void add_floats(float* sums, const float* values, std::int64_t n) {
  for (std::int64_t i = 0; i < n; i += kLanes)
    store(sums + i, sum(load(sums + i), load(values + i)));
}

}  // namespace
}  // namespace valley::kernels::cpu
