// The parts of 4x4 convs of stride 2 that work on vectors, for cpu_strided_conv.cpp, which takes
// those that the CPU has instructions for. See cpu_strided_conv_tiles.h for the matrices.
#pragma once

#include <cstdint>

#include "kernels/cpu_features.h"
#include "kernels/cpu_products.h"
#include "kernels/strided_conv_launch.h"

namespace valley::kernels::cpu {

inline constexpr int kPhaseEdge = 5;  // of a transformed tile
inline constexpr int kPhaseStep = 4;  // outputs along an edge
inline constexpr int kPhaseTaps = 2;  // of a kernel
inline constexpr int kPhases = 4;     // even and odd rows by even and odd columns
inline constexpr std::int64_t kPhasePlaces = kPhaseEdge * kPhaseEdge;

// A tile in a map: pixels (row + step i, column + step j) of one image. Those outside are zero, and
// not written.
struct PhaseTile {
  std::int64_t image, row, column, step;
};
struct PhaseMap {
  void* data;  // [batch, height, width, channels]
  bool bf16;
  std::int64_t height, width, channels;
};

// What is compiled for vectors of one kind or the other.
struct StridedConvKernels {
  // A tile's 25 places are rows of channels, `stride` floats apart.
  //
  // B^T d B of 5x5 pixels; `zeros`: as many as there are channels.
  void (*read_tile)(const PhaseMap& map, const PhaseTile& tile, const float* zeros, float* out,
                    std::int64_t stride);
  // A y A^T of 4x4 pixels.
  void (*read_gradient)(const PhaseMap& map, const PhaseTile& tile, const float* zeros, float* out,
                        std::int64_t stride);
  // A^T m A, bias and leaky ReLU, to 4x4 pixels.
  void (*write_tile)(const PhaseMap& map, const PhaseTile& tile, const float* m,
                     std::int64_t stride, const float* bias, float leak);
  // m = v u: [rows, in] x [in, out]; rows a multiple of kFewRows; u as transform_weights lays it.
  void (*multiply_panels)(const float* v, const float* u, float* m, std::int64_t rows,
                          std::int64_t in, std::int64_t out);
  // w += v^T z: [in, tiles] x [tiles, out]; put: w = v^T z.
  void (*add_matrices)(const float* v, const float* z, float* w, std::int64_t tiles,
                       std::int64_t in, std::int64_t out);
  void (*put_matrices)(const float* v, const float* z, float* w, std::int64_t tiles,
                       std::int64_t in, std::int64_t out);
  void (*add_floats)(float* sums, const float* values, std::int64_t n);
  void (*transform_weights)(const StridedWeights& k);      // G w G^T
  void (*gather_weights)(const StridedWeightGradient& k);  // G^T w G, of the first slice
};
[[nodiscard]] const StridedConvKernels& strided_conv_avx512();
[[nodiscard]] const StridedConvKernels& strided_conv_avx2();

}  // namespace valley::kernels::cpu
