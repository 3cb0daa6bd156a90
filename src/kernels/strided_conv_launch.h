// Interface between strided_conv.cpp and cpu_conv/strided.cpp, in plain pointers. Maps are
// channels_last: large [batch, 2 rows, 2 columns, channels], small [batch, rows, columns,
// channels]; float or, with `bf16`, bfloat16. Transforms, products and sums are float.
#pragma once

#include <cstdint>

namespace valley::kernels::cpu {

struct StridedShape {
  std::int64_t batch, rows, columns;  // rows and columns of the small map
  std::int64_t large, small;          // channels of both maps
  bool bf16;
};

// Convolution of the large map to the small one, or transposed; then bias and leaky ReLU.
struct StridedConv {
  const void* x;
  const float* weights;  // [small, large, 4, 4]
  const float* bias;     // [channels of y], or null
  float leak;            // factor of negative outputs; 1: no activation
  void* y;
  StridedShape shape;
  bool transposed;
};

struct StridedWeightGradient {
  const void* large_map;
  const void* small_map;
  float* scratch;  // strided_scratch floats
  float* weights;  // [small, large, 4, 4]
  StridedShape shape;
};
[[nodiscard]] std::int64_t strided_scratch(const StridedShape& shape);

void run(const StridedConv& k);
void run(const StridedWeightGradient& k);

}  // namespace valley::kernels::cpu
