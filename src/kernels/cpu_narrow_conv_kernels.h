// The parts of convs from and to few channels that work on vectors, for cpu_narrow_conv.cpp, which
// takes those that the CPU has instructions for.
//
// A row of a map is copied as floats before it is read: a pixel of zeros, the row, zeros up to a
// whole number of blocks of kBlock pixels and one pixel more. Three of them are what a row of the
// output is made from.
#pragma once

#include <cstdint>

#include "kernels/cpu_features.h"
#include "kernels/narrow_conv_launch.h"

namespace valley::kernels::cpu {

inline constexpr std::int64_t kBlock = 16;     // pixels
inline constexpr std::int64_t kSumLanes = 48;  // whole vectors and pixels of 1 and of 3 channels
using ThreeRows = const float* const (&)[3];   // the row above first

// What is compiled for vectors of one kind or the other.
struct NarrowConvKernels {
  // n numbers, float or bfloat16.
  void (*copy_floats)(const void* from, bool bf16, std::int64_t n, float* to);

  // A row of y. `y`: where it begins.
  void (*widen_row)(const WideningConv& k, ThreeRows rows, void* y);
  // `out`: kBlock pixels at a time, few numbers each; without the bias.
  void (*narrow_row)(const NarrowingConv& k, ThreeRows rows, float* out);
  // One even or odd output row, without the bias.
  void (*narrow_transposed_row)(const NarrowingTransposedConv& k, ThreeRows rows, bool odd,
                                float* out);
  // Adds the bias (or null) to n elements and stores them.
  void (*store_narrow_row)(const float* row, const float* bias, std::int64_t few, std::int64_t n,
                           bool bf16, void* y);

  // weights[i][j][f][m] += the sum over a row's pixels. `many`: where that row begins.
  void (*add_row)(const NarrowWeightGradient& k, ThreeRows few, const void* many, float* weights);
  // sums[i % kSumLanes] += values[i]
  void (*add_lanes)(const float* values, std::int64_t n, float* sums);
  void (*add_floats)(float* sums, const float* values, std::int64_t n);  // sums += values
};
[[nodiscard]] const NarrowConvKernels& narrow_conv_avx512();
[[nodiscard]] const NarrowConvKernels& narrow_conv_avx2();

}  // namespace valley::kernels::cpu
