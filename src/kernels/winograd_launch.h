// Interface between winograd.cpp and cpu_conv/winograd.cpp, in plain pointers. Maps are
// channels_last; transformed weights are [36, from, to]: a matrix for each element of a 6x6 tile.
#pragma once

#include <cstdint>

namespace valley::kernels::cpu {

// Maps are float or, with `bf16`, bfloat16; transforms and products are float.
struct WinogradConv {
  const void* x;         // [batch, height, width, in]
  const float* weights;  // [36, in, out]
  const float* bias;     // [out]: ELU follows; or null
  void* y;               // [batch, rows, columns, out]
  bool bf16;             // x and y are bfloat16
  std::int64_t batch, height, width, in, out;
  bool upsamples;  // x is read as if each pixel were 2x2; rows = 2 height
  bool sums;       // y receives sums of 2x2 outputs; rows = height / 2
};

struct WinogradWeightGradient {
  const void* x;         // [batch, height, width, in]
  const void* gradient;  // [batch, rows, columns, out]
  bool bf16;             // x and gradient are bfloat16
  float* slices;         // [winograd_slices, 36, in, out], scratch
  float* out_weights;    // [3, 3, in, out]
  std::int64_t batch, height, width, in, out;
  bool upsamples;  // rows = 2 height
};
// Number of partial sums over tiles, independent of the number of threads.
[[nodiscard]] std::int64_t winograd_slices(std::int64_t batch, std::int64_t rows,
                                           std::int64_t columns);

// weights [3, 3, from, to] -> [36, from, to]; `flipped`: kernels rotated by 180 degrees.
struct WinogradWeights {
  const float* weights;
  float* transformed;
  std::int64_t from, to;
  bool flipped;
};

void run(const WinogradConv& k);
void run(const WinogradWeightGradient& k);
void run(const WinogradWeights& k);

}  // namespace valley::kernels::cpu
