// The parts of Winograd's convs that work on vectors, for cpu_winograd.cpp, which takes those that
// the CPU has instructions for. See cpu_winograd_tiles.h for the matrices.
#pragma once

#include <cstdint>

#include "kernels/cpu_features.h"
#include "kernels/cpu_products.h"
#include "kernels/winograd_launch.h"

namespace valley::kernels::cpu {

inline constexpr int kEdge = 6;  // of a transformed tile
inline constexpr int kStep = 4;  // outputs along an edge
inline constexpr int kTaps = 3;  // of a kernel
inline constexpr int kZero = 2;  // the row and column that upsampled input leaves zero
inline constexpr std::int64_t kPlaces = kEdge * kEdge;

// Of the conv's output.
struct Tiling {
  std::int64_t batch, rows, columns;
  [[nodiscard]] std::int64_t down() const { return (rows + kStep - 1) / kStep; }
  [[nodiscard]] std::int64_t across() const { return (columns + kStep - 1) / kStep; }
  [[nodiscard]] std::int64_t count() const { return batch * down() * across(); }
};
struct TilePlace {
  std::int64_t image, row, column;  // of the tile's first output
};
// A map whose pixels tiles are read from.
struct TileMap {
  const void* data;  // [batch, height, width, channels]
  bool bf16;
  std::int64_t height, width, channels;
  bool upsamples;
};

// What is compiled for vectors of one kind or the other.
struct WinogradKernels {
  // A tile's 36 places are rows of channels that lie `stride` rows apart.
  //
  // B^T d B; `zeros`: as many as there are channels.
  void (*read_tile)(const TileMap& map, const TilePlace& place, const float* zeros, float* out,
                    std::int64_t stride);
  // A y A^T of a tile of the gradient.
  void (*read_gradient)(const WinogradWeightGradient& k, const Tiling& tiling,
                        const TilePlace& place, float* out, std::int64_t stride);
  // A^T m A, bias and ELU; and the same in sums over 2x2 outputs, without bias.
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
  void (*gather_weights)(const WinogradWeightGradient& k);  // G^T w G, of the first slice
};
[[nodiscard]] const WinogradKernels& winograd_avx512();
[[nodiscard]] const WinogradKernels& winograd_avx2();

}  // namespace valley::kernels::cpu
