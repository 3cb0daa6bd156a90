// What strided_conv.cpp asks of cpu_strided_conv.cpp, in plain pointers. Maps are channels_last: a
// large one is [batch, 2 rows, 2 columns, channels], a small one [batch, rows, columns, channels];
// float or, with `bf16`, bfloat16. What is transformed, multiplied and summed is float.
#pragma once

#include <cstdint>

namespace valley::kernels::cpu {

// A matrix for each of a tile's 25 places: so far apart that they do not share a set of a cache.
[[nodiscard]] constexpr std::int64_t apart(std::int64_t floats) { return floats + 16; }

struct StridedShape {
  std::int64_t batch, rows, columns;  // of the small map
  std::int64_t large, small;          // channels
  bool bf16;
};

// From the large map to the small one, or back with `transposed`; then bias and leaky ReLU.
struct StridedConv {
  const void* x;
  const float* weights;  // as StridedWeights made them
  const float* bias;     // a number for each channel of y; or null
  float leak;            // what negative outputs are multiplied by: 1 leaves them
  void* y;
  StridedShape shape;
  bool transposed;
};

struct StridedWeightGradient {
  const void* large_map;
  const void* small_map;
  float* slices;   // [strided_slices, 25, apart(4 large small)], scratch
  float* weights;  // [small, large, 4, 4]
  StridedShape shape;
};
// The sum over tiles is made in so many parts, whatever the threads.
[[nodiscard]] std::int64_t strided_slices(const StridedShape& shape);

// weights [small, large, 4, 4] -> [25, apart(4 large small)], of matrices [4 large, small];
// transposed: [4, 25, apart(small large)], of [small, large]. Each is in panels of columns.
struct StridedWeights {
  const float* weights;
  float* transformed;
  std::int64_t large, small;
  bool transposed;
};

void run(const StridedConv& k);
void run(const StridedWeightGradient& k);
void run(const StridedWeights& k);

}  // namespace valley::kernels::cpu
