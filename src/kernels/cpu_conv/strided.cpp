#include <algorithm>
#include <vector>

#include "core/error.h"
#include "kernels/cpu_conv/scratch.h"
#include "kernels/cpu_conv/strided_tiling.h"
#include "kernels/parallel.h"

namespace valley::kernels::cpu {

#if VALLEY_WIDE_VECTORS

namespace {

// Block size for which the transformed tiles stay in the L2 cache.
constexpr std::int64_t kPhaseBlockFloats = 64 * 1024;
constexpr std::int64_t kPhaseSliceTiles = 256;
constexpr std::int64_t kMaxPhaseSlices = 16;

thread_local Scratch block_scratch;
thread_local Scratch weights_scratch;

// Tiles per block; `floats`: per tile and transformed element.
std::int64_t max_phase_block_tiles(std::int64_t floats) {
  const std::int64_t fit = kPhaseBlockFloats / (kPhasePlaces * floats) / kManyRows * kManyRows;
  return std::max(2 * kManyRows, fit);  // each block reads all weights again
}

std::size_t block_floats(std::int64_t tiles, std::int64_t in, std::int64_t out) {
  return static_cast<std::size_t>(kPhasePlaces * (apart(tiles * in) + apart(tiles * out)));
}

// Zeroes the rows that pad a block to a multiple of kFewRows.
void clear_rest(float* v, std::int64_t tiles, std::int64_t max_tiles, std::int64_t in) {
  for (std::int64_t p = 0; p < kPhasePlaces; ++p)
    std::fill_n(v + p * apart(max_tiles * in) + tiles * in, (filled_up(tiles) - tiles) * in, 0.0F);
}

struct Block {
  std::int64_t first, tiles, max_tiles;
};

void multiply_places(const float* v, const float* u, float* m, const Block& block, std::int64_t in,
                     std::int64_t out) {
  for (std::int64_t p = 0; p < kPhasePlaces; ++p) {
    strided_kernels().multiply_panels(v + p * apart(block.max_tiles * in), u + p * apart(in * out),
                                      m + p * apart(block.max_tiles * out), filled_up(block.tiles),
                                      in, out);
  }
}

void shrink(const StridedConv& k, const float* weights, const PhaseTiling& tiling,
            const Block& block, const float* zeros, float* v) {
  const StridedShape& s = k.shape;
  const std::int64_t in = kPhases * s.large;
  float* m = v + kPhasePlaces * apart(block.max_tiles * in);
  const PhaseMap from = large_map(s, k.x);
  for (std::int64_t t = 0; t < block.tiles; ++t) {
    for (int phase = 0; phase < kPhases; ++phase) {
      strided_kernels().read_tile(from, tiling.large_around(block.first + t, phase), zeros,
                                  v + t * in + phase * s.large, apart(block.max_tiles * in));
    }
  }
  clear_rest(v, block.tiles, block.max_tiles, in);
  multiply_places(v, weights, m, block, in, s.small);
  const PhaseMap to = small_map(s, k.y);
  for (std::int64_t t = 0; t < block.tiles; ++t) {
    strided_kernels().write_tile(to, tiling.small(block.first + t), m + t * s.small,
                                 apart(block.max_tiles * s.small), k.bias, k.leak);
  }
}

void grow(const StridedConv& k, const float* weights, const PhaseTiling& tiling, const Block& block,
          const float* zeros, float* v) {
  const StridedShape& s = k.shape;
  float* m = v + kPhasePlaces * apart(block.max_tiles * s.small);
  const PhaseMap from = small_map(s, k.x);
  const PhaseMap to = large_map(s, k.y);
  for (int phase = 0; phase < kPhases; ++phase) {
    for (std::int64_t t = 0; t < block.tiles; ++t) {
      strided_kernels().read_tile(from, tiling.small_around(block.first + t, phase), zeros,
                                  v + t * s.small, apart(block.max_tiles * s.small));
    }
    clear_rest(v, block.tiles, block.max_tiles, s.small);
    multiply_places(v, weights + phase * kPhasePlaces * apart(s.small * s.large), m, block, s.small,
                    s.large);
    for (std::int64_t t = 0; t < block.tiles; ++t) {
      strided_kernels().write_tile(to, tiling.large(block.first + t, phase), m + t * s.large,
                                   apart(block.max_tiles * s.large), k.bias, k.leak);
    }
  }
}

// Number of partial sums over tiles, independent of the number of threads.
std::int64_t strided_slices(const StridedShape& shape) {
  return std::clamp<std::int64_t>(PhaseTiling(shape).count / kPhaseSliceTiles, 1, kMaxPhaseSlices);
}

std::int64_t sums_floats(const StridedShape& s) {
  return kPhasePlaces * apart(kPhases * s.large * s.small);
}

const float* transformed_weights(const StridedConv& k) {
  const StridedShape& s = k.shape;
  const std::int64_t size = s.large * s.small;
  const std::int64_t floats =
      kPhasePlaces * (k.transposed ? kPhases * apart(size) : apart(kPhases * size));
  float* u = weights_scratch.get(static_cast<std::size_t>(floats));
  strided_kernels().transform_weights({k.weights, 16 * s.large, u, s.large, s.small, k.transposed});
  return u;
}

}  // namespace

const StridedConvKernels& strided_kernels() {
  static const StridedConvKernels& chosen =
      vectors() == Vectors::kAvx512 ? strided_conv_avx512() : strided_conv_avx2();
  return chosen;
}

std::int64_t strided_scratch(const StridedShape& s) {
  return is_in_parts(s) ? scratch_in_parts(s) : strided_slices(s) * sums_floats(s);
}

void run(const StridedConv& k) {
  const StridedShape& s = k.shape;
  if (is_in_parts(s)) return run_in_parts(k);
  const float* weights = transformed_weights(k);
  const PhaseTiling tiling(s);
  const std::vector<float> zeros(static_cast<std::size_t>(std::max(s.large, s.small)));
  const std::int64_t floats = k.transposed ? s.small + s.large : kPhases * s.large + s.small;
  const std::int64_t max_tiles = max_phase_block_tiles(floats);
  const std::int64_t blocks = (tiling.count + max_tiles - 1) / max_tiles;
  parallel_for(0, blocks, 1, [&](std::int64_t begin, std::int64_t end) {
    float* v = block_scratch.get(block_floats(max_tiles, k.transposed ? s.small : kPhases * s.large,
                                              k.transposed ? s.large : s.small));
    for (std::int64_t b = begin; b < end; ++b) {
      const Block block{b * max_tiles, std::min(max_tiles, tiling.count - b * max_tiles),
                        max_tiles};
      k.transposed ? grow(k, weights, tiling, block, zeros.data(), v)
                   : shrink(k, weights, tiling, block, zeros.data(), v);
    }
  });
}

void run(const StridedWeightGradient& k) {
  const StridedShape& s = k.shape;
  if (is_in_parts(s)) return run_in_parts(k);
  const PhaseTiling tiling(s);
  const std::vector<float> zeros(static_cast<std::size_t>(std::max(s.large, s.small)));
  const std::int64_t in = kPhases * s.large;
  const std::int64_t max_tiles = max_phase_block_tiles(in + s.small);
  const std::int64_t slices = strided_slices(s);
  const std::int64_t size = sums_floats(s);
  const PhaseMap large = large_map(s, k.large_map);
  const PhaseMap small = small_map(s, k.small_map);
  parallel_for(0, slices, 1, [&](std::int64_t begin, std::int64_t end) {
    float* v = block_scratch.get(block_floats(max_tiles, in, s.small));
    float* z = v + kPhasePlaces * apart(max_tiles * in);
    for (std::int64_t slice = begin; slice < end; ++slice) {
      float* sums = k.scratch + slice * size;
      const std::int64_t begins = tiling.count * slice / slices;
      const std::int64_t last = tiling.count * (slice + 1) / slices;
      for (std::int64_t first = begins; first < last; first += max_tiles) {
        const std::int64_t tiles = std::min(max_tiles, last - first);
        for (std::int64_t t = 0; t < tiles; ++t) {
          for (int phase = 0; phase < kPhases; ++phase) {
            strided_kernels().read_tile(large, tiling.large_around(first + t, phase), zeros.data(),
                                        v + t * in + phase * s.large, apart(max_tiles * in));
          }
          strided_kernels().read_gradient(small, tiling.small(first + t), zeros.data(),
                                          z + t * s.small, apart(max_tiles * s.small));
        }
        const auto products =
            first == begins ? strided_kernels().put_matrices : strided_kernels().add_matrices;
        for (std::int64_t p = 0; p < kPhasePlaces; ++p) {
          products(v + p * apart(max_tiles * in), z + p * apart(max_tiles * s.small),
                   sums + p * apart(in * s.small), tiles, in, s.small);
        }
      }
    }
  });
  for (std::int64_t slice = 1; slice < slices; ++slice)
    strided_kernels().add_floats(k.scratch, k.scratch + slice * size, size);
  strided_kernels().gather_weights({k.scratch, k.weights, 16 * s.large, s.large, s.small});
}

#else

std::int64_t strided_scratch(const StridedShape& /*shape*/) { return 0; }
void run(const StridedConv& /*k*/) { VALLEY_CHECK(!"no AVX2"); }
void run(const StridedWeightGradient& /*k*/) { VALLEY_CHECK(!"no AVX2"); }

#endif

}  // namespace valley::kernels::cpu
