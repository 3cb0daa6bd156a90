#include <algorithm>
#include <vector>

#include "core/error.h"
#include "kernels/cpu_conv/scratch.h"
#include "kernels/cpu_conv/winograd_kernels.h"
#include "kernels/parallel.h"

namespace valley::kernels::cpu {

#if VALLEY_WIDE_VECTORS

namespace {

// Block size for which the transformed tiles stay in the L2 cache.
constexpr std::int64_t kBlockFloats = 48 * 1024;
constexpr std::int64_t kSliceTiles = 512;
constexpr std::int64_t kMaxTileSlices = 16;

TilePlace place_of(const Tiling& tiling, std::int64_t tile) {
  const std::int64_t across = tiling.across();
  const std::int64_t in_image = tile % (tiling.down() * across);
  return {tile / (tiling.down() * across), in_image / across * kStep, in_image % across * kStep};
}

// Elements of a transformed tile that are multiplied.
std::vector<std::int64_t> places(bool without_zero) {
  std::vector<std::int64_t> all;
  for (std::int64_t p = 0; p < kPlaces; ++p) {
    if (without_zero && (p / kEdge == kZero || p % kEdge == kZero)) continue;
    all.push_back(p);
  }
  return all;
}

thread_local Scratch winograd_scratch;

const WinogradKernels& winograd_kernels() {
  static const WinogradKernels& chosen =
      vectors() == Vectors::kAvx512 ? winograd_avx512() : winograd_avx2();
  return chosen;
}

std::int64_t max_block_tiles(std::int64_t in, std::int64_t out) {
  const std::int64_t fit = kBlockFloats / (kPlaces * std::max(in, out)) / kManyRows * kManyRows;
  return std::max(kManyRows, fit);
}

}  // namespace

std::int64_t winograd_slices(std::int64_t batch, std::int64_t rows, std::int64_t columns) {
  return std::clamp<std::int64_t>(Tiling{batch, rows, columns}.count() / kSliceTiles, 1,
                                  kMaxTileSlices);
}

void run(const WinogradWeights& k) { winograd_kernels().transform_weights(k); }

void run(const WinogradConv& k) {
  const std::int64_t scale = k.upsamples ? 2 : 1;
  const Tiling tiling{k.batch, scale * k.height, scale * k.width};
  const TileMap map{k.x, k.bf16, k.height, k.width, k.in, k.upsamples};
  const std::vector<std::int64_t> multiplied = places(k.upsamples || k.sums);
  const std::vector<float> zeros(static_cast<std::size_t>(k.in));
  const std::int64_t max_tiles = max_block_tiles(k.in, k.out);
  const std::int64_t blocks = (tiling.count() + max_tiles - 1) / max_tiles;
  parallel_for(0, blocks, 1, [&](std::int64_t begin, std::int64_t end) {
    float* v = winograd_scratch.get(static_cast<std::size_t>(kPlaces * max_tiles * (k.in + k.out)));
    float* m = v + kPlaces * max_tiles * k.in;
    for (std::int64_t b = begin; b < end; ++b) {
      const std::int64_t first = b * max_tiles;
      const std::int64_t tiles = std::min(max_tiles, tiling.count() - first);
      for (std::int64_t t = 0; t < tiles; ++t)
        winograd_kernels().read_tile(map, place_of(tiling, first + t), zeros.data(), v + t * k.in,
                                     max_tiles);
      for (std::int64_t t = tiles; t < filled_up(tiles); ++t) {
        for (const std::int64_t p : multiplied)
          std::fill_n(v + (p * max_tiles + t) * k.in, k.in, 0.0F);
      }
      for (const std::int64_t p : multiplied) {
        winograd_kernels().multiply_matrices(v + p * max_tiles * k.in, k.weights + p * k.in * k.out,
                                             m + p * max_tiles * k.out, filled_up(tiles), k.in,
                                             k.out);
      }
      if (k.upsamples) {
        for (std::int64_t p = 0; p < kPlaces; ++p) {
          if (p / kEdge == kZero || p % kEdge == kZero)
            std::fill_n(m + p * max_tiles * k.out, tiles * k.out, 0.0F);
        }
      }
      for (std::int64_t t = 0; t < tiles; ++t) {
        const TilePlace place = place_of(tiling, first + t);
        k.sums ? winograd_kernels().write_sums(k, tiling, place, m + t * k.out, max_tiles)
               : winograd_kernels().write_tile(k, tiling, place, m + t * k.out, max_tiles);
      }
    }
  });
}

void run(const WinogradWeightGradient& k) {
  const std::int64_t scale = k.upsamples ? 2 : 1;
  const Tiling tiling{k.batch, scale * k.height, scale * k.width};
  const TileMap map{k.x, k.bf16, k.height, k.width, k.in, k.upsamples};
  const std::vector<std::int64_t> multiplied = places(k.upsamples);
  const std::vector<float> zeros(static_cast<std::size_t>(k.in));
  const std::int64_t max_tiles = max_block_tiles(k.in, k.out);
  const std::int64_t slices = winograd_slices(k.batch, tiling.rows, tiling.columns);
  const std::int64_t size = kPlaces * k.in * k.out;
  parallel_for(0, slices, 1, [&](std::int64_t begin, std::int64_t end) {
    float* v = winograd_scratch.get(static_cast<std::size_t>(kPlaces * max_tiles * (k.in + k.out)));
    float* z = v + kPlaces * max_tiles * k.in;
    for (std::int64_t s = begin; s < end; ++s) {
      float* sums = k.slices + s * size;
      std::fill_n(sums, size, 0.0F);
      const std::int64_t last = tiling.count() * (s + 1) / slices;
      for (std::int64_t first = tiling.count() * s / slices; first < last; first += max_tiles) {
        const std::int64_t tiles = std::min(max_tiles, last - first);
        for (std::int64_t t = 0; t < tiles; ++t) {
          const TilePlace place = place_of(tiling, first + t);
          winograd_kernels().read_tile(map, place, zeros.data(), v + t * k.in, max_tiles);
          winograd_kernels().read_gradient(k, tiling, place, z + t * k.out, max_tiles);
        }
        for (const std::int64_t p : multiplied) {
          winograd_kernels().add_matrices(v + p * max_tiles * k.in, z + p * max_tiles * k.out,
                                          sums + p * k.in * k.out, tiles, k.in, k.out);
        }
      }
    }
  });
  for (std::int64_t s = 1; s < slices; ++s)
    winograd_kernels().add_floats(k.slices, k.slices + s * size, size);
  winograd_kernels().gather_weights(k);
}

#else

std::int64_t winograd_slices(std::int64_t /*batch*/, std::int64_t /*rows*/,
                             std::int64_t /*columns*/) {
  return 1;
}
void run(const WinogradConv& /*k*/) { VALLEY_CHECK(!"no AVX2"); }
void run(const WinogradWeightGradient& /*k*/) { VALLEY_CHECK(!"no AVX2"); }
void run(const WinogradWeights& /*k*/) { VALLEY_CHECK(!"no AVX2"); }

#endif

}  // namespace valley::kernels::cpu
