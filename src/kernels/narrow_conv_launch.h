// Interface between narrow_conv.cpp and cpu_conv/small_channel.cpp, in plain pointers. Maps are
// channels_last, [batch, rows, columns, few] and [batch, rows, columns, many], float or, with
// `bf16`, bfloat16; products and sums are float.
#pragma once

#include <cstdint>

namespace valley::kernels::cpu {

struct SmallChannelShape {
  std::int64_t batch, rows, columns;
  std::int64_t few;   // 1 or 3
  std::int64_t many;  // a multiple of 16
};

struct SmallInputConv {
  const void* x;         // few channels
  const float* weights;  // [3, 3, few, many]
  const float* bias;     // [many]; ELU follows
  void* y;               // many channels
  bool bf16;
  SmallChannelShape shape;
};

struct SmallOutputConv {
  const void* x;         // many channels
  const float* weights;  // [3, few, 3, many]: kernel row, channel, kernel column, channel
  const float* bias;     // [few], or null
  void* y;               // few channels
  bool bf16;
  SmallChannelShape shape;
};

// Transposed convolution with a 4x4 kernel, stride 2 and padding 1: each output is a sum over 2x2
// pixels, whose weights depend on whether its row and its column are even or odd.
struct SmallOutputTransposedConv {
  const void* x;         // many channels
  const float* weights;  // [odd row, odd column, row of the 2x2, few, column, many]
  const float* bias;     // [few], or null
  void* y;               // [batch, 2 rows, 2 columns, few]
  bool bf16;
  SmallChannelShape shape;  // shape of x
};

// weights[i][j][f][m]: the sum over images and pixels p of few[p + (i - 1, j - 1)][f] many[p][m],
// with zeros outside of the map.
struct SmallChannelWeightGradient {
  const void* few;
  const void* many;
  bool bf16;
  float* slices;   // [small_channel_slices, small_channel_slice_floats], scratch
  float* weights;  // [3, 3, few, many]
  float* sums;     // [few]: sums of the map of few channels over images and pixels, or null
  SmallChannelShape shape;
};
// Number of partial sums, independent of the number of threads.
[[nodiscard]] std::int64_t small_channel_slices(const SmallChannelShape& shape);
[[nodiscard]] std::int64_t small_channel_slice_floats(const SmallChannelShape& shape);

void run(const SmallInputConv& k);
void run(const SmallOutputConv& k);
void run(const SmallOutputTransposedConv& k);
void run(const SmallChannelWeightGradient& k);

}  // namespace valley::kernels::cpu
