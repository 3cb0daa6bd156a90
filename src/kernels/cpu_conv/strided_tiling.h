// Tiles and maps of 4x4 convolutions with stride 2, and how large layers are computed: shared by
// strided.cpp and strided_parts.cpp.
#pragma once

#include <cstdint>

#include "kernels/cpu_conv/strided_kernels.h"

namespace valley::kernels::cpu {

// Tiles of 4x4 pixels of the small map.
struct PhaseTiling {
  explicit PhaseTiling(const StridedShape& shape)
      : down((shape.rows + kPhaseStep - 1) / kPhaseStep),
        across((shape.columns + kPhaseStep - 1) / kPhaseStep),
        count(shape.batch * down * across) {}
  std::int64_t down, across, count;

  [[nodiscard]] PhaseTile small(std::int64_t tile) const {
    const std::int64_t in_image = tile % (down * across);
    return {tile / (down * across), in_image / across * kPhaseStep, in_image % across * kPhaseStep,
            1};
  }
  // Input pixels in the large map of a phase's 2x2 convolution for a tile of the small map.
  [[nodiscard]] PhaseTile large_around(std::int64_t tile, int phase) const {
    const PhaseTile t = small(tile);
    return {t.image, 2 * t.row - phase / 2, 2 * t.column - phase % 2, 2};
  }
  // Output and input pixels of a phase of the transposed convolution.
  [[nodiscard]] PhaseTile large(std::int64_t tile, int phase) const {
    const PhaseTile t = small(tile);
    return {t.image, 2 * t.row + phase / 2, 2 * t.column + phase % 2, 2};
  }
  [[nodiscard]] PhaseTile small_around(std::int64_t tile, int phase) const {
    const PhaseTile t = small(tile);
    return {t.image, t.row - 1 + phase / 2, t.column - 1 + phase % 2, 1};
  }
};

inline PhaseMap large_map(const StridedShape& s, const void* data) {
  return {const_cast<void*>(data), s.bf16, 2 * s.rows, 2 * s.columns, s.large, s.large};
}
inline PhaseMap small_map(const StridedShape& s, const void* data) {
  return {const_cast<void*>(data), s.bf16, s.rows, s.columns, s.small, s.small};
}

[[nodiscard]] const StridedConvKernels& strided_kernels();

// True if the transformed weights are too large for the cache: they are then transformed block by
// block, while the tiles stay in the cache. Does not depend on the batch: the order of sums
// differs.
[[nodiscard]] inline bool is_in_parts(const StridedShape& s) {
  // Weights that many tiles read are transformed as a whole up to twice the size.
  constexpr std::int64_t kMaxWholeKernels = 4096;
  constexpr std::int64_t kManyTiles = 8;  // per image
  const PhaseTiling tiling(s);
  const bool has_many_tiles = tiling.down * tiling.across >= kManyTiles;
  return s.large * s.small > (has_many_tiles ? 2 : 1) * kMaxWholeKernels;
}
void run_in_parts(const StridedConv& k);
void run_in_parts(const StridedWeightGradient& k);
[[nodiscard]] std::int64_t scratch_in_parts(const StridedShape& s);

}  // namespace valley::kernels::cpu
