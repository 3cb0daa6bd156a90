// Vector functions of 4x4 convolutions with stride 2, included by the two files that compile them,
// under the rules of winograd_loops.h.
#pragma once

#include "kernels/cpu_conv/product_loops.h"
#include "kernels/cpu_conv/strided_kernels.h"
#include "kernels/cpu_conv/strided_tiles.h"
#include "kernels/cpu_conv/transpose.h"
#include "kernels/cpu_conv/vector_loops.h"

namespace valley::kernels::cpu {
namespace {

// Addresses of the N x N pixels of a tile.
template <typename T, int N>
class PixelTable {
 public:
  // `outside`: the address for pixels outside of the map.
  PixelTable(const PhaseMap& map, const PhaseTile& tile, T* outside) {
    for (int i = 0; i < N; ++i) {
      const std::int64_t row = tile.row + i * tile.step;
      const bool inside = row >= 0 && row < map.height;
      T* line = static_cast<T*>(map.data) + (tile.image * map.height + row) * map.width * map.pitch;
      for (int j = 0; j < N; ++j) {
        const std::int64_t column = tile.column + j * tile.step;
        const bool is_in = inside && column >= 0 && column < map.width;
        pixels_[i][j] = is_in ? line + column * map.pitch : outside;
      }
    }
  }
  T* operator()(int i, int j) const { return pixels_[i][j]; }

 private:
  T* pixels_[N][N];
};

// The same for a tile without pixels outside of the map.
template <typename T, int N>
class PixelGrid {
 public:
  PixelGrid(const PhaseMap& map, const PhaseTile& tile)
      : column_(tile.step * map.pitch), row_(column_ * map.width) {
    first_ = static_cast<T*>(map.data) +
             ((tile.image * map.height + tile.row) * map.width + tile.column) * map.pitch;
  }
  T* operator()(int i, int j) const { return first_ + i * row_ + j * column_; }
  static bool fits(const PhaseMap& map, const PhaseTile& tile) {
    return tile.row >= 0 && tile.column >= 0 && tile.row + (N - 1) * tile.step < map.height &&
           tile.column + (N - 1) * tile.step < map.width;
  }

 private:
  std::int64_t column_, row_;
  T* first_;
};

template <typename Pixels>
void read_pixels(const Pixels& pixels, std::int64_t channels, float* out, std::int64_t stride) {
  for (std::int64_t c = 0; c < channels; c += kLanes) {
    Vector rows[kPhaseEdge][kPhaseEdge];
    for (int j = 0; j < kPhaseEdge; ++j) {
      Vector d[kPhaseEdge];
      Vector t[kPhaseEdge];
      for (int i = 0; i < kPhaseEdge; ++i) d[i] = load(pixels(i, j) + c);
      transform_phase(d, t);
      for (int i = 0; i < kPhaseEdge; ++i) rows[i][j] = t[i];
    }
    for (int i = 0; i < kPhaseEdge; ++i) {
      Vector t[kPhaseEdge];
      transform_phase(rows[i], t);
      for (int j = 0; j < kPhaseEdge; ++j) store(out + (i * kPhaseEdge + j) * stride + c, t[j]);
    }
  }
}

template <typename T>
void read_tile_of(const PhaseMap& map, const PhaseTile& tile, const float* zeros, float* out,
                  std::int64_t stride) {
  using Grid = PixelGrid<const T, kPhaseEdge>;
  if (Grid::fits(map, tile)) {
    read_pixels(Grid(map, tile), map.channels, out, stride);
  } else {
    const auto* outside = reinterpret_cast<const T*>(zeros);
    read_pixels(PixelTable<const T, kPhaseEdge>(map, tile, outside), map.channels, out, stride);
  }
}

template <typename T>
void read_gradient_of(const PhaseMap& map, const PhaseTile& tile, const float* zeros, float* out,
                      std::int64_t stride) {
  const PixelTable<const T, kPhaseStep> pixels(map, tile, reinterpret_cast<const T*>(zeros));
  for (std::int64_t c = 0; c < map.channels; c += kLanes) {
    Vector rows[kPhaseEdge][kPhaseStep];
    for (int j = 0; j < kPhaseStep; ++j) {
      Vector y[kPhaseStep];
      Vector t[kPhaseEdge];
      for (int i = 0; i < kPhaseStep; ++i) y[i] = load(pixels(i, j) + c);
      spread_phase_output(y, t);
      for (int i = 0; i < kPhaseEdge; ++i) rows[i][j] = t[i];
    }
    for (int i = 0; i < kPhaseEdge; ++i) {
      Vector t[kPhaseEdge];
      spread_phase_output(rows[i], t);
      for (int j = 0; j < kPhaseEdge; ++j) store(out + (i * kPhaseEdge + j) * stride + c, t[j]);
    }
  }
}

template <typename T>
void write_tile_of(const PhaseMap& map, const PhaseTile& tile, const float* m, std::int64_t stride,
                   const float* bias, float leak) {
  const PixelTable<T, kPhaseStep> pixels(map, tile, nullptr);
  for (std::int64_t c = 0; c < map.channels; c += kLanes) {
    Vector columns[kPhaseStep][kPhaseEdge];
    for (int j = 0; j < kPhaseEdge; ++j) {
      Vector d[kPhaseEdge];
      Vector t[kPhaseStep];
      for (int i = 0; i < kPhaseEdge; ++i) d[i] = load(m + (i * kPhaseEdge + j) * stride + c);
      transform_phase_output(d, t);
      for (int i = 0; i < kPhaseStep; ++i) columns[i][j] = t[i];
    }
    const Vector shift = bias == nullptr ? zeros() : load(bias + c);
    for (int i = 0; i < kPhaseStep; ++i) {
      Vector t[kPhaseStep];
      transform_phase_output(columns[i], t);
      for (int j = 0; j < kPhaseStep; ++j) {
        if (pixels(i, j) == nullptr) continue;
        const Vector value = sum(t[j], shift);
        store(pixels(i, j) + c, leak == 1 ? value : leaky(value, leak));
      }
    }
  }
}

void read_tile(const PhaseMap& map, const PhaseTile& tile, const float* zeros, float* out,
               std::int64_t stride) {
  map.bf16 ? read_tile_of<Bits16>(map, tile, zeros, out, stride)
           : read_tile_of<float>(map, tile, zeros, out, stride);
}

void read_gradient(const PhaseMap& map, const PhaseTile& tile, const float* zeros, float* out,
                   std::int64_t stride) {
  map.bf16 ? read_gradient_of<Bits16>(map, tile, zeros, out, stride)
           : read_gradient_of<float>(map, tile, zeros, out, stride);
}

void write_tile(const PhaseMap& map, const PhaseTile& tile, const float* m, std::int64_t stride,
                const float* bias, float leak) {
  map.bf16 ? write_tile_of<Bits16>(map, tile, m, stride, bias, leak)
           : write_tile_of<float>(map, tile, m, stride, bias, leak);
}

// Row (or column) of the 4x4 kernel for tap 0 or 1 of a phase, in the order of the input pixels.
int tap_of(int phase, int tap, bool transposed) {
  return (phase == 0 ? 1 : 0) + 2 * (transposed ? 1 - tap : tap);
}

// Transposes kLanes kernels of 16 taps, `stride` floats apart, to taps[t][lane]; write_kernels is
// the inverse.
constexpr int kKernelTaps = 16;
void read_kernels(const float* kernels, std::int64_t stride, float* taps) {
  for (std::int64_t i = 0; i < kLanes; i += 8) {
    for (std::int64_t t = 0; t < kKernelTaps; t += 8)
      transpose_8x8(kernels + i * stride + t, stride, taps + t * kLanes + i, kLanes);
  }
}
void write_kernels(const float* taps, float* kernels, std::int64_t stride) {
  for (std::int64_t i = 0; i < kLanes; i += 8) {
    for (std::int64_t t = 0; t < kKernelTaps; t += 8)
      transpose_8x8(taps + t * kLanes + i, kLanes, kernels + i * stride + t, stride);
  }
}

// Offset of an element of a [rows, columns] matrix that is stored in panels.
std::int64_t in_panels(std::int64_t row, std::int64_t column, std::int64_t rows,
                       std::int64_t columns) {
  const std::int64_t panel = column / kPanel * kPanel;
  return panel * rows + row * less(kPanel, columns - panel) + column - panel;
}

void transform_phases(const float* taps, bool transposed, float* out, std::int64_t place,
                      std::int64_t next) {
  for (int phase = 0; phase < kPhases; ++phase) {
    Vector rows[kPhaseEdge][kPhaseTaps];
    for (int j = 0; j < kPhaseTaps; ++j) {
      Vector g[kPhaseTaps];
      Vector t[kPhaseEdge];
      for (int i = 0; i < kPhaseTaps; ++i) {
        const int tap = tap_of(phase / 2, i, transposed) * 4 + tap_of(phase % 2, j, transposed);
        g[i] = load(taps + tap * kLanes);
      }
      transform_taps(g, t);
      for (int i = 0; i < kPhaseEdge; ++i) rows[i][j] = t[i];
    }
    for (int i = 0; i < kPhaseEdge; ++i) {
      Vector t[kPhaseEdge];
      transform_taps(rows[i], t);
      for (int j = 0; j < kPhaseEdge; ++j)
        store(out + (i * kPhaseEdge + j) * place + phase * next, t[j]);
    }
  }
}

void transform_weights(const StridedWeights& k) {
  alignas(64) float taps[kKernelTaps * kLanes];
  const std::int64_t size = k.large * k.small;
  if (k.transposed) {
    const std::int64_t place = apart(size);
    for (std::int64_t l = 0; l < k.large; l += kLanes) {
      for (std::int64_t s = 0; s < k.small; ++s) {
        read_kernels(k.weights + s * k.pitch + l * kKernelTaps, kKernelTaps, taps);
        transform_phases(taps, true, k.transformed + in_panels(s, l, k.small, k.large), place,
                         kPhasePlaces * place);
      }
    }
    return;
  }
  for (std::int64_t s = 0; s < k.small; s += kLanes) {
    const std::int64_t wide = less(kPanel, k.small - s / kPanel * kPanel);
    for (std::int64_t l = 0; l < k.large; ++l) {
      read_kernels(k.weights + s * k.pitch + l * kKernelTaps, k.pitch, taps);
      transform_phases(taps, false, k.transformed + in_panels(l, s, kPhases * k.large, k.small),
                       apart(kPhases * size), k.large * wide);
    }
  }
}

void gather_weights(const StridedSums& k) {
  alignas(64) float taps[kKernelTaps * kLanes];
  const std::int64_t size = k.large * k.small;
  const std::int64_t place = apart(kPhases * size);
  for (std::int64_t at = 0; at < size; at += kLanes) {
    for (int phase = 0; phase < kPhases; ++phase) {
      Vector rows[kPhaseTaps][kPhaseEdge];
      for (int j = 0; j < kPhaseEdge; ++j) {
        Vector m[kPhaseEdge];
        Vector g[kPhaseTaps];
        for (int i = 0; i < kPhaseEdge; ++i)
          m[i] = load(k.sums + (i * kPhaseEdge + j) * place + phase * size + at);
        gather_taps(m, g);
        for (int i = 0; i < kPhaseTaps; ++i) rows[i][j] = g[i];
      }
      for (int i = 0; i < kPhaseTaps; ++i) {
        Vector g[kPhaseTaps];
        gather_taps(rows[i], g);
        for (int j = 0; j < kPhaseTaps; ++j) {
          const int tap = tap_of(phase / 2, i, false) * 4 + tap_of(phase % 2, j, false);
          store(taps + tap * kLanes, g[j]);
        }
      }
    }
    const std::int64_t l = at / k.small;
    const std::int64_t s = at % k.small;
    write_kernels(taps, k.weights + s * k.pitch + l * kKernelTaps, k.pitch);
  }
}

constexpr StridedConvKernels kStridedConvKernels{
    read_tile,    read_gradient, write_tile,        multiply_panels, add_panels, add_matrices,
    put_matrices, add_floats,    transform_weights, gather_weights,  kPanel};

}  // namespace
}  // namespace valley::kernels::cpu
