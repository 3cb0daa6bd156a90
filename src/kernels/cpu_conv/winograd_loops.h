// Vector functions of Winograd convolutions, included by the two files that compile them, after
// avx512.h or avx2.h. Templates and inline functions must be static: the linker would merge
// those of both files.
#pragma once

#include "kernels/cpu_conv/product_loops.h"
#include "kernels/cpu_conv/vector_loops.h"
#include "kernels/cpu_conv/winograd_kernels.h"
#include "kernels/cpu_conv/winograd_tiles.h"

namespace valley::kernels::cpu {
namespace {

template <typename T>
void read_tile_of(const TileMap& map, const TilePlace& place, const T* zeros, float* out,
                  std::int64_t stride) {
  const int shift = map.upsamples ? 1 : 0;
  const T* pixels[kEdge][kEdge];
  std::int64_t columns[kEdge];  // offsets, negative outside of the map
  for (int j = 0; j < kEdge; ++j) {
    const std::int64_t column = place.column + j - 1;
    const bool inside = column >= 0 && column < map.width << shift;
    columns[j] = inside ? (column >> shift) * map.channels : -1;
  }
  for (int i = 0; i < kEdge; ++i) {
    const std::int64_t row = place.row + i - 1;
    const bool inside = row >= 0 && row < map.height << shift;
    const T* line = static_cast<const T*>(map.data) +
                    (place.image * map.height + (row >> shift)) * map.width * map.channels;
    for (int j = 0; j < kEdge; ++j)
      pixels[i][j] = inside && columns[j] >= 0 ? line + columns[j] : zeros;
  }
  for (std::int64_t c = 0; c < map.channels; c += kLanes) {
    Vector rows[kEdge][kEdge];
    for (int j = 0; j < kEdge; ++j) {
      Vector d[kEdge];
      Vector t[kEdge];
      for (int i = 0; i < kEdge; ++i) d[i] = load(pixels[i][j] + c);
      transform_input(d, t);
      for (int i = 0; i < kEdge; ++i) rows[i][j] = t[i];
    }
    for (int i = 0; i < kEdge; ++i) {
      if (map.upsamples && i == kZero) continue;
      Vector t[kEdge];
      transform_input(rows[i], t);
      for (int j = 0; j < kEdge; ++j)
        store(out + (i * kEdge + j) * stride * map.channels + c, t[j]);
    }
  }
}

template <typename T>
void write_tile_of(const WinogradConv& k, const Tiling& tiling, const TilePlace& place,
                   const float* m, std::int64_t stride) {
  for (std::int64_t c = 0; c < k.out; c += kLanes) {
    Vector columns[kStep][kEdge];
    for (int j = 0; j < kEdge; ++j) {
      Vector d[kEdge];
      Vector t[kStep];
      for (int i = 0; i < kEdge; ++i) d[i] = load(m + (i * kEdge + j) * stride * k.out + c);
      transform_output(d, t);
      for (int i = 0; i < kStep; ++i) columns[i][j] = t[i];
    }
    const std::int64_t rows = less(kStep, tiling.rows - place.row);
    const std::int64_t wide = less(kStep, tiling.columns - place.column);
    for (std::int64_t i = 0; i < rows; ++i) {
      Vector t[kStep];
      transform_output(columns[i], t);
      T* y =
          static_cast<T*>(k.y) +
          (((place.image * tiling.rows + place.row + i) * tiling.columns) + place.column) * k.out +
          c;
      for (std::int64_t j = 0; j < wide; ++j) {
        Vector value = t[j];
        if (k.bias != nullptr) value = elu(sum(value, load(k.bias + c)));
        store(y + j * k.out, value);
      }
    }
  }
}

template <typename T>
void write_sums_of(const WinogradConv& k, const Tiling& tiling, const TilePlace& place,
                   const float* m, std::int64_t stride) {
  constexpr int kHalf = kStep / 2;
  const std::int64_t height = tiling.rows / 2;
  const std::int64_t width = tiling.columns / 2;
  for (std::int64_t c = 0; c < k.out; c += kLanes) {
    Vector columns[kHalf][kEdge];
    for (int j = 0; j < kEdge; ++j) {
      if (j == kZero) continue;
      Vector d[kEdge];
      Vector t[kHalf];
      for (int i = 0; i < kEdge; ++i) {
        d[i] = i == kZero ? zeros() : load(m + (i * kEdge + j) * stride * k.out + c);
      }
      transform_output_sums(d, t);
      for (int i = 0; i < kHalf; ++i) columns[i][j] = t[i];
    }
    const std::int64_t rows = less(kHalf, height - place.row / 2);
    const std::int64_t wide = less(kHalf, width - place.column / 2);
    for (std::int64_t i = 0; i < rows; ++i) {
      Vector t[kHalf];
      columns[i][kZero] = zeros();
      transform_output_sums(columns[i], t);
      T* y = static_cast<T*>(k.y) +
             ((place.image * height + place.row / 2 + i) * width + place.column / 2) * k.out + c;
      for (std::int64_t j = 0; j < wide; ++j) store(y + j * k.out, t[j]);
    }
  }
}

template <typename T>
void read_gradient_of(const WinogradWeightGradient& k, const Tiling& tiling, const TilePlace& place,
                      float* out, std::int64_t stride) {
  for (std::int64_t c = 0; c < k.out; c += kLanes) {
    Vector rows[kEdge][kStep];
    for (std::int64_t j = 0; j < kStep; ++j) {
      Vector y[kStep];
      Vector t[kEdge];
      for (std::int64_t i = 0; i < kStep; ++i) {
        const bool inside = place.row + i < tiling.rows && place.column + j < tiling.columns;
        const std::int64_t pixel =
            (place.image * tiling.rows + place.row + i) * tiling.columns + place.column + j;
        y[i] = inside ? load(static_cast<const T*>(k.gradient) + pixel * k.out + c) : zeros();
      }
      spread_output(y, t);
      for (int i = 0; i < kEdge; ++i) rows[i][j] = t[i];
    }
    for (int i = 0; i < kEdge; ++i) {
      Vector t[kEdge];
      spread_output(rows[i], t);
      for (int j = 0; j < kEdge; ++j) store(out + (i * kEdge + j) * stride * k.out + c, t[j]);
    }
  }
}

void read_tile(const TileMap& map, const TilePlace& place, const float* zeros, float* out,
               std::int64_t stride) {
  if (map.bf16) {
    read_tile_of(map, place, reinterpret_cast<const Bits16*>(zeros), out, stride);
  } else {
    read_tile_of(map, place, zeros, out, stride);
  }
}

void read_gradient(const WinogradWeightGradient& k, const Tiling& tiling, const TilePlace& place,
                   float* out, std::int64_t stride) {
  k.bf16 ? read_gradient_of<Bits16>(k, tiling, place, out, stride)
         : read_gradient_of<float>(k, tiling, place, out, stride);
}

void write_tile(const WinogradConv& k, const Tiling& tiling, const TilePlace& place, const float* m,
                std::int64_t stride) {
  k.bf16 ? write_tile_of<Bits16>(k, tiling, place, m, stride)
         : write_tile_of<float>(k, tiling, place, m, stride);
}

void write_sums(const WinogradConv& k, const Tiling& tiling, const TilePlace& place, const float* m,
                std::int64_t stride) {
  k.bf16 ? write_sums_of<Bits16>(k, tiling, place, m, stride)
         : write_sums_of<float>(k, tiling, place, m, stride);
}

void gather_weights(const WinogradWeightGradient& k) {
  const std::int64_t size = k.in * k.out;
  for (std::int64_t at = 0; at < size; at += kLanes) {
    Vector rows[kTaps][kEdge];
    for (int j = 0; j < kEdge; ++j) {
      Vector m[kEdge];
      Vector g[kTaps];
      for (int i = 0; i < kEdge; ++i) m[i] = load(k.slices + (i * kEdge + j) * size + at);
      gather_weight(m, g);
      for (int i = 0; i < kTaps; ++i) rows[i][j] = g[i];
    }
    for (int i = 0; i < kTaps; ++i) {
      Vector g[kTaps];
      gather_weight(rows[i], g);
      for (int j = 0; j < kTaps; ++j) store(k.out_weights + (i * kTaps + j) * size + at, g[j]);
    }
  }
}

void transform_weights(const WinogradWeights& k) {
  const std::int64_t size = k.from * k.to;
  for (std::int64_t at = 0; at < size; at += kLanes) {
    Vector rows[kEdge][kTaps];
    for (int j = 0; j < kTaps; ++j) {
      Vector g[kTaps];
      Vector t[kEdge];
      for (int i = 0; i < kTaps; ++i) {
        const int tap = k.flipped ? (kTaps - 1 - i) * kTaps + kTaps - 1 - j : i * kTaps + j;
        g[i] = load(k.weights + tap * size + at);
      }
      transform_weight(g, t);
      for (int i = 0; i < kEdge; ++i) rows[i][j] = t[i];
    }
    for (int i = 0; i < kEdge; ++i) {
      Vector t[kEdge];
      transform_weight(rows[i], t);
      for (int j = 0; j < kEdge; ++j) store(k.transformed + (i * kEdge + j) * size + at, t[j]);
    }
  }
}

constexpr WinogradKernels kWinogradKernels{read_tile,  read_gradient,     write_tile,
                                           write_sums, multiply_matrices, add_matrices,
                                           add_floats, transform_weights, gather_weights};

}  // namespace
}  // namespace valley::kernels::cpu
