// Interface between batch_norm.cpp and cpu_batch_norm.cpp, in plain pointers. Maps are
// channels_last: a matrix of rows = N H W rows and C columns, float or, with `bf16`, bfloat16. The
// arithmetic is float; partial sums of slices of rows are combined in double.
#pragma once

#include <algorithm>
#include <cstdint>

namespace valley::kernels::cpu {

struct NormShape {
  std::int64_t rows, channels;
  bool bf16;
};

// y = leaky_relu(weight (x - mean) inverse_deviation + bias), with the moments over all rows.
struct BatchNorm {
  const void* x;
  const float* weight;  // [channels], as are the next four
  const float* bias;
  float* mean;               // written
  float* inverse_deviation;  // written: 1 / sqrt(variance + epsilon)
  double epsilon;
  float leak;  // factor of negative outputs; 1: no activation
  void* y;
  float* slices;  // [norm_slices, 2, channels], scratch
  NormShape shape;
};

struct BatchNormBackward {
  const void* gradient;  // gradient of y
  const void* x;
  const float* weight;
  const float* bias;
  const float* mean;
  const float* inverse_deviation;
  float leak;
  void* of_x;
  float* of_weight;  // [channels], written
  float* of_bias;    // likewise
  float* slices;     // as above
  NormShape shape;
};

// Rows per slice, independent of the number of threads. A slice fits into the L1 cache.
inline std::int64_t norm_slice_rows(std::int64_t channels) {
  return std::max<std::int64_t>(16, 4096 / channels);
}
inline std::int64_t norm_slices(const NormShape& s) {
  const std::int64_t rows = norm_slice_rows(s.channels);
  return (s.rows + rows - 1) / rows;
}

void run(const BatchNorm& k);
void run(const BatchNormBackward& k);

}  // namespace valley::kernels::cpu
