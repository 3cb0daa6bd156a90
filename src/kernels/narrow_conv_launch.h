// Interface between narrow_conv.cpp and cpu_conv/small_channel.cpp, in plain pointers. Maps are
// channels_last, [batch, rows, columns, few] and [batch, rows, columns, many], float or, with
// `bf16`, bfloat16; products and sums are float.
#pragma once

#include <cstdint>

namespace valley::kernels::cpu {

struct NarrowShape {
  std::int64_t batch, rows, columns;
  std::int64_t few;   // 1 or 3
  std::int64_t many;  // a multiple of 16
};

struct WideningConv {
  const void* x;         // few channels
  const float* weights;  // [3, 3, few, many]
  const float* bias;     // [many]; ELU follows
  void* y;               // many channels
  bool bf16;
  NarrowShape shape;
};

struct NarrowingConv {
  const void* x;         // many channels
  const float* weights;  // [3, few, 3, many]: kernel row, channel, kernel column, channel
  const float* bias;     // [few], or null
  void* y;               // few channels
  bool bf16;
  NarrowShape shape;
};

// Transposed convolution with a 4x4 kernel, stride 2 and padding 1: each output is a sum over 2x2
// pixels, whose weights depend on whether its row and its column are even or odd.
struct NarrowingTransposedConv {
  const void* x;         // many channels
  const float* weights;  // [odd row, odd column, row of the 2x2, few, column, many]
  const float* bias;     // [few], or null
  void* y;               // [batch, 2 rows, 2 columns, few]
  bool bf16;
  NarrowShape shape;  // shape of x
};

// weights[i][j][f][m]: the sum over images and pixels p of few[p + (i - 1, j - 1)][f] many[p][m],
// with zeros outside of the map.
struct NarrowWeightGradient {
  const void* few;
  const void* many;
  bool bf16;
  float* slices;   // [narrow_slices, narrow_slice_floats], scratch
  float* weights;  // [3, 3, few, many]
  float* sums;     // [few]: sums of the map of few channels over images and pixels, or null
  NarrowShape shape;
};
// Number of partial sums, independent of the number of threads.
[[nodiscard]] std::int64_t narrow_slices(const NarrowShape& shape);
[[nodiscard]] std::int64_t narrow_slice_floats(const NarrowShape& shape);

void run(const WideningConv& k);
void run(const NarrowingConv& k);
void run(const NarrowingTransposedConv& k);
void run(const NarrowWeightGradient& k);

}  // namespace valley::kernels::cpu
