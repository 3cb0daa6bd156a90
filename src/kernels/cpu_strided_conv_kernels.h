// Vector functions of 4x4 convolutions with stride 2. cpu_strided_conv.cpp selects the set for the
// CPU at hand. See cpu_strided_conv_tiles.h for the matrices.
#pragma once

#include <cstdint>

#include "kernels/cpu_features.h"
#include "kernels/cpu_products.h"
#include "kernels/strided_conv_launch.h"

namespace valley::kernels::cpu {

inline constexpr int kPhaseEdge = 5;  // side of a transformed tile
inline constexpr int kPhaseStep = 4;  // outputs per side
inline constexpr int kPhaseTaps = 2;  // side of a phase's kernel
inline constexpr int kPhases = 4;     // {even, odd} rows x {even, odd} columns
inline constexpr std::int64_t kPhasePlaces = kPhaseEdge * kPhaseEdge;

// Pixels (row + step i, column + step j) of one image. Pixels outside of the map read as zero and
// are not written.
struct PhaseTile {
  std::int64_t image, row, column, step;
};
struct PhaseMap {
  void* data;  // [batch, height, width, channels]
  bool bf16;
  std::int64_t height, width, channels;
};

// Compiled once for AVX2 and once for AVX-512.
struct StridedConvKernels {
  // The 25 elements of a transformed tile are rows of channels, `stride` floats apart.
  //
  // B^T d B of 5x5 pixels; `zeros`: one per channel.
  void (*read_tile)(const PhaseMap& map, const PhaseTile& tile, const float* zeros, float* out,
                    std::int64_t stride);
  // A y A^T of 4x4 pixels.
  void (*read_gradient)(const PhaseMap& map, const PhaseTile& tile, const float* zeros, float* out,
                        std::int64_t stride);
  // A^T m A, bias and leaky ReLU, to 4x4 pixels.
  void (*write_tile)(const PhaseMap& map, const PhaseTile& tile, const float* m,
                     std::int64_t stride, const float* bias, float leak);
  // m = v u: [rows, in] x [in, out]; rows a multiple of kFewRows; u in the layout of
  // transform_weights.
  void (*multiply_panels)(const float* v, const float* u, float* m, std::int64_t rows,
                          std::int64_t in, std::int64_t out);
  // w += v^T z: [in, tiles] x [tiles, out]; put: w = v^T z.
  void (*add_matrices)(const float* v, const float* z, float* w, std::int64_t tiles,
                       std::int64_t in, std::int64_t out);
  void (*put_matrices)(const float* v, const float* z, float* w, std::int64_t tiles,
                       std::int64_t in, std::int64_t out);
  void (*add_floats)(float* sums, const float* values, std::int64_t n);
  void (*transform_weights)(const StridedWeights& k);      // G w G^T
  void (*gather_weights)(const StridedWeightGradient& k);  // G^T w G of the first slice
};
[[nodiscard]] const StridedConvKernels& strided_conv_avx512();
[[nodiscard]] const StridedConvKernels& strided_conv_avx2();

}  // namespace valley::kernels::cpu
