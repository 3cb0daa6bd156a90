// Block sizes of the matrix products in product_loops.h.
#pragma once

#include <cstdint>

namespace valley::kernels::cpu {

// Rows of a matrix that are multiplied together: kManyRows, or kFewRows for the remainder.
inline constexpr std::int64_t kManyRows = 12;
inline constexpr std::int64_t kFewRows = 4;

inline std::int64_t filled_up(std::int64_t rows) {
  return (rows + kFewRows - 1) / kFewRows * kFewRows;
}

}  // namespace valley::kernels::cpu
