// How many rows the matrices of cpu_product_loops.h have.
#pragma once

#include <cstdint>

namespace valley::kernels::cpu {

// Rows of a matrix that are multiplied at once: where fewer than the first are left, in the second.
inline constexpr std::int64_t kManyRows = 12;
inline constexpr std::int64_t kFewRows = 4;

inline std::int64_t filled_up(std::int64_t rows) {
  return (rows + kFewRows - 1) / kFewRows * kFewRows;
}

}  // namespace valley::kernels::cpu
