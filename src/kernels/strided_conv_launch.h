// Interface between strided_conv.cpp and cpu_strided_conv.cpp, in plain pointers. Maps are
// channels_last: large [batch, 2 rows, 2 columns, channels], small [batch, rows, columns,
// channels]; float or, with `bf16`, bfloat16. Transforms, products and sums are float.
#pragma once

#include <cstdint>

namespace valley::kernels::cpu {

// Distance in floats between the matrices of the 25 elements of a tile: a multiple of 4096 bytes
// would map them to the same cache set.
[[nodiscard]] constexpr std::int64_t apart(std::int64_t floats) { return floats + 16; }

struct StridedShape {
  std::int64_t batch, rows, columns;  // rows and columns of the small map
  std::int64_t large, small;          // channels of both maps
  bool bf16;
};

// Convolution of the large map to the small one, or transposed; then bias and leaky ReLU.
struct StridedConv {
  const void* x;
  const float* weights;  // as StridedWeights made them
  const float* bias;     // [channels of y], or null
  float leak;            // factor of negative outputs; 1: no activation
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
// Number of partial sums over tiles, independent of the number of threads.
[[nodiscard]] std::int64_t strided_slices(const StridedShape& shape);

// weights [small, large, 4, 4] -> [25, apart(4 large small)], of matrices [4 large, small];
// transposed: [4, 25, apart(small large)], of [small, large]. Each is stored in panels of columns.
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
