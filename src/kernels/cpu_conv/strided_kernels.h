// Vector functions of 4x4 convolutions with stride 2. strided.cpp selects the set for the
// CPU at hand. See strided_tiles.h for the matrices.
#pragma once

#include <cstdint>

#include "kernels/cpu_conv/products.h"
#include "kernels/cpu_features.h"
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
  void* data;  // [batch, height, width, pitch]; the first channel to process
  bool bf16;
  std::int64_t height, width, channels;
  std::int64_t pitch;  // channels of a pixel
};

// Distance in floats between the matrices of the 25 elements of a tile: a multiple of 4096 bytes
// would map them to the same cache set.
constexpr std::int64_t apart(std::int64_t floats) { return floats + 16; }

// Weights [small, large, 4, 4], or a block of their channels, and what they are multiplied as:
// [25, apart(4 large small)], matrices [4 large, small]; transposed: [4, 25, apart(small large)],
// matrices [small, large]. Each matrix is stored in panels of columns.
struct StridedWeights {
  const float* weights;
  std::int64_t pitch;  // floats from one channel of the small map to the next
  float* transformed;
  std::int64_t large, small;
  bool transposed;
};
// Transformed gradients [25, apart(4 large small)] and the gradients of a block of weights.
struct StridedSums {
  const float* sums;
  float* weights;
  std::int64_t pitch;
  std::int64_t large, small;
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
  // The same with the product added to m.
  void (*add_panels)(const float* v, const float* u, float* m, std::int64_t rows, std::int64_t in,
                     std::int64_t out);
  // w += v^T z: [in, tiles] x [tiles, out]; put: w = v^T z.
  void (*add_matrices)(const float* v, const float* z, float* w, std::int64_t tiles,
                       std::int64_t in, std::int64_t out);
  void (*put_matrices)(const float* v, const float* z, float* w, std::int64_t tiles,
                       std::int64_t in, std::int64_t out);
  void (*add_floats)(float* sums, const float* values, std::int64_t n);
  void (*transform_weights)(const StridedWeights& k);  // G w G^T
  void (*gather_weights)(const StridedSums& k);        // G^T w G
  std::int64_t panel;                                  // columns of a panel
};
[[nodiscard]] const StridedConvKernels& strided_conv_avx512();
[[nodiscard]] const StridedConvKernels& strided_conv_avx2();

}  // namespace valley::kernels::cpu
