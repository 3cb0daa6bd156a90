// Vector functions of Winograd convolutions. winograd.cpp selects the set for the CPU at hand.
// See winograd_tiles.h for the matrices.
#pragma once

#include <cstdint>

#include "kernels/cpu_conv/products.h"
#include "kernels/cpu_features.h"
#include "kernels/winograd_launch.h"

namespace valley::kernels::cpu {

inline constexpr int kEdge = 6;  // side of a transformed tile
inline constexpr int kStep = 4;  // outputs per side
inline constexpr int kTaps = 3;  // side of a kernel
inline constexpr int kZero = 2;  // row and column that are zero for upsampled input
inline constexpr std::int64_t kPlaces = kEdge * kEdge;

// Tiles of the convolution's output.
struct Tiling {
  std::int64_t batch, rows, columns;
  [[nodiscard]] std::int64_t down() const { return (rows + kStep - 1) / kStep; }
  [[nodiscard]] std::int64_t across() const { return (columns + kStep - 1) / kStep; }
  [[nodiscard]] std::int64_t count() const { return batch * down() * across(); }
};
struct TilePlace {
  std::int64_t image, row, column;  // first output of the tile
};
// Map from which tiles are read.
struct TileMap {
  const void* data;  // [batch, height, width, channels]
  bool bf16;
  std::int64_t height, width, channels;
  bool upsamples;
};

// Compiled once for AVX2 and once for AVX-512.
struct WinogradKernels {
  // The 36 elements of a transformed tile are rows of channels, `stride` rows apart.
  //
  // B^T d B; `zeros`: one per channel.
  void (*read_tile)(const TileMap& map, const TilePlace& place, const float* zeros, float* out,
                    std::int64_t stride);
  // A y A^T for a tile of the gradient.
  void (*read_gradient)(const WinogradWeightGradient& k, const Tiling& tiling,
                        const TilePlace& place, float* out, std::int64_t stride);
  // A^T m A, bias and ELU; write_sums: sums of 2x2 outputs of A^T m A, without bias.
  void (*write_tile)(const WinogradConv& k, const Tiling& tiling, const TilePlace& place,
                     const float* m, std::int64_t stride);
  void (*write_sums)(const WinogradConv& k, const Tiling& tiling, const TilePlace& place,
                     const float* m, std::int64_t stride);
  // m = v u: [rows, in] x [in, out]; rows a multiple of kFewRows.
  void (*multiply_matrices)(const float* v, const float* u, float* m, std::int64_t rows,
                            std::int64_t in, std::int64_t out);
  // w += v^T z: [in, tiles] x [tiles, out].
  void (*add_matrices)(const float* v, const float* z, float* w, std::int64_t tiles,
                       std::int64_t in, std::int64_t out);
  void (*add_floats)(float* sums, const float* values, std::int64_t n);  // n a multiple of 16
  void (*transform_weights)(const WinogradWeights& k);                   // G w G^T
  void (*gather_weights)(const WinogradWeightGradient& k);  // G^T w G for the first slice
};
[[nodiscard]] const WinogradKernels& winograd_avx512();
[[nodiscard]] const WinogradKernels& winograd_avx2();

}  // namespace valley::kernels::cpu
