// Vector functions of small-channel convolutions. small_channel.cpp selects the set for the CPU
// at hand.
//
// Rows of a map are copied as floats first: a pixel of zeros, the row, zeros up to a whole number
// of blocks of kBlock pixels and one more pixel. An output row is computed from three such rows.
#pragma once

#include <cstdint>

#include "kernels/cpu_features.h"
#include "kernels/narrow_conv_launch.h"

namespace valley::kernels::cpu {

inline constexpr std::int64_t kBlock = 16;     // pixels
inline constexpr std::int64_t kSumLanes = 48;  // a multiple of the vector size and of 3 channels
using ThreeRows = const float* const (&)[3];   // in order from top to bottom

// Compiled once for AVX2 and once for AVX-512.
struct SmallChannelKernels {
  // Copies n elements, float or bfloat16, as floats.
  void (*copy_floats)(const void* from, bool bf16, std::int64_t n, float* to);

  // Computes a row of y, from its first element on.
  void (*widen_row)(const SmallInputConv& k, ThreeRows rows, void* y);
  // Writes blocks of kBlock pixels of `few` channels to `out`; without the bias.
  void (*narrow_row)(const SmallOutputConv& k, ThreeRows rows, float* out);
  // One even or odd output row, without the bias.
  void (*narrow_transposed_row)(const SmallOutputTransposedConv& k, ThreeRows rows, bool odd,
                                float* out);
  // Adds the bias (or null) to n elements and stores them.
  void (*store_narrow_row)(const float* row, const float* bias, std::int64_t few, std::int64_t n,
                           bool bf16, void* y);

  // weights[i][j][f][m] += the sum over the pixels of a row, which begins at `many`.
  void (*add_row)(const SmallChannelWeightGradient& k, ThreeRows few, const void* many,
                  float* weights);
  // sums[i % kSumLanes] += values[i]
  void (*add_lanes)(const float* values, std::int64_t n, float* sums);
  void (*add_floats)(float* sums, const float* values, std::int64_t n);  // sums += values
};
[[nodiscard]] const SmallChannelKernels& small_channel_avx512();
[[nodiscard]] const SmallChannelKernels& small_channel_avx2();

}  // namespace valley::kernels::cpu
