// Sorting many floats, five to ten times faster than by comparisons.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace valley {

// Sorts `values` in ascending order, in three passes over eleven bits each. No NaN. `scratch` grows
// as needed and can be used again.
void radix_sort(std::span<float> values, std::vector<std::uint32_t>& scratch);

}  // namespace valley
