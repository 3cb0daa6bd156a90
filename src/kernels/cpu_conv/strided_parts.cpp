// 4x4 convolutions with stride 2 between many channels: their transformed weights are several times
// as large as the weights. Each block of weights, kPartChannels by one panel, is transformed when
// it is multiplied, so that it stays in the L2 cache; transformed tiles are stored in parts of
// kPartChannels.
#include <algorithm>
#include <vector>

#include "kernels/cpu_conv/scratch.h"
#include "kernels/cpu_conv/strided_tiling.h"
#include "kernels/parallel.h"

namespace valley::kernels::cpu {

#if VALLEY_WIDE_VECTORS

namespace {

constexpr std::int64_t kPartChannels = 32;
// Tiles per block: results of all of them must fit into the L2 cache for one panel, those of the
// transposed convolution for four phases.
constexpr std::int64_t kPartTiles = 64;
constexpr std::int64_t kTransposedPartTiles = 32;
constexpr std::int64_t kKernelFloats = 16;

thread_local Scratch part_tiles_scratch;
thread_local Scratch part_scratch;

// Rows of a matrix that has `rows` of them: products process up to kFewRows rows beyond.
std::int64_t stored_rows(std::int64_t rows) { return filled_up(rows) + kFewRows; }

// Ranges of `step` channels.
struct Ranges {
  std::int64_t channels, step;
  [[nodiscard]] std::int64_t count() const { return (channels + step - 1) / step; }
  [[nodiscard]] std::int64_t first(std::int64_t i) const { return i * step; }
  [[nodiscard]] std::int64_t size(std::int64_t i) const {
    return std::min(step, channels - i * step);
  }
};

PhaseMap channels_of(const PhaseMap& map, std::int64_t first, std::int64_t count) {
  PhaseMap part = map;
  part.data = static_cast<char*>(map.data) + first * (map.bf16 ? 2 : 4);
  part.channels = count;
  return part;
}

// Transformed tiles of a block: for each part [25, rows, 4 channels], transposed [4, 25, rows,
// channels].
class PartTiles {
 public:
  PartTiles(const Ranges& parts, std::int64_t rows, bool transposed)
      : parts_(parts), rows_(rows), transposed_(transposed) {}
  [[nodiscard]] std::int64_t floats() const { return parts_.count() * part_floats(parts_.step); }
  [[nodiscard]] std::int64_t begin(std::int64_t part) const {
    return part * part_floats(parts_.step);
  }
  // Columns of a matrix, and the distance between the matrices of two elements.
  [[nodiscard]] std::int64_t columns(std::int64_t part) const {
    return (transposed_ ? 1 : kPhases) * parts_.size(part);
  }
  [[nodiscard]] std::int64_t stride(std::int64_t part) const {
    return apart(rows_ * columns(part));
  }
  // First element of row t of a phase.
  [[nodiscard]] std::int64_t row(std::int64_t part, std::int64_t t, int phase) const {
    const std::int64_t within =
        transposed_ ? phase * kPhasePlaces * stride(part) : phase * parts_.size(part);
    return begin(part) + within + t * columns(part);
  }

 private:
  [[nodiscard]] std::int64_t part_floats(std::int64_t channels) const {
    return transposed_ ? kPhases * kPhasePlaces * apart(rows_ * channels)
                       : kPhasePlaces * apart(rows_ * kPhases * channels);
  }
  Ranges parts_;
  std::int64_t rows_;
  bool transposed_;
};

void read_tile_parts(const PhaseMap& map, const PhaseTiling& tiling, std::int64_t tile,
                     const Ranges& parts, const PartTiles& tiles, std::int64_t row, bool transposed,
                     const float* zeros, float* v) {
  for (std::int64_t p = 0; p < parts.count(); ++p) {
    const PhaseMap part = channels_of(map, parts.first(p), parts.size(p));
    for (int phase = 0; phase < kPhases; ++phase) {
      const PhaseTile place =
          transposed ? tiling.small_around(tile, phase) : tiling.large_around(tile, phase);
      strided_kernels().read_tile(part, place, zeros, v + tiles.row(p, row, phase),
                                  tiles.stride(p));
    }
  }
}

// Zeroes a row that pads a block.
void clear_row(const Ranges& parts, const PartTiles& tiles, std::int64_t row, float* v) {
  for (std::int64_t p = 0; p < parts.count(); ++p) {
    for (int phase = 0; phase < kPhases; ++phase) {
      for (std::int64_t place = 0; place < kPhasePlaces; ++place)
        std::fill_n(v + tiles.row(p, row, phase) + place * tiles.stride(p), parts.size(p), 0.0F);
    }
  }
}

// One panel of the output channels of a block of tiles.
void write_panel(const StridedConv& k, const PhaseTiling& tiling, std::int64_t first,
                 std::int64_t count, const Ranges& parts, const PartTiles& tiles, const float* v,
                 std::int64_t panel_first, std::int64_t panel) {
  const StridedShape& s = k.shape;
  const std::int64_t rows = filled_up(count);
  const std::int64_t results = k.transposed ? kPhases : 1;
  const std::int64_t weights = kPhases * kPhasePlaces * apart(parts.step * panel);
  const std::int64_t stride = apart(stored_rows(count) * panel);
  float* u = part_scratch.get(static_cast<std::size_t>(weights + results * kPhasePlaces * stride));
  float* m = u + weights;
  for (std::int64_t p = 0; p < parts.count(); ++p) {
    const std::int64_t small = k.transposed ? parts.first(p) : panel_first;
    const std::int64_t large = k.transposed ? panel_first : parts.first(p);
    strided_kernels().transform_weights(
        {k.weights + (small * s.large + large) * kKernelFloats, s.large * kKernelFloats, u,
         k.transposed ? panel : parts.size(p), k.transposed ? parts.size(p) : panel, k.transposed});
    const auto products = p == 0 ? strided_kernels().multiply_panels : strided_kernels().add_panels;
    const std::int64_t in = tiles.columns(p);
    for (std::int64_t i = 0; i < results * kPhasePlaces; ++i) {
      products(v + tiles.begin(p) + i * tiles.stride(p), u + i * apart(in * panel), m + i * stride,
               rows, in, panel);
    }
  }
  const PhaseMap to =
      channels_of(k.transposed ? large_map(s, k.y) : small_map(s, k.y), panel_first, panel);
  const float* bias = k.bias == nullptr ? nullptr : k.bias + panel_first;
  for (int phase = 0; phase < results; ++phase) {
    for (std::int64_t t = 0; t < count; ++t) {
      const PhaseTile tile =
          k.transposed ? tiling.large(first + t, phase) : tiling.small(first + t);
      strided_kernels().write_tile(to, tile, m + phase * kPhasePlaces * stride + t * panel, stride,
                                   bias, k.leak);
    }
  }
}

Ranges part_ranges(std::int64_t channels) { return {channels, kPartChannels}; }
Ranges panel_ranges(std::int64_t channels) { return {channels, strided_kernels().panel}; }

// Rows of the transformed gradient per panel: [25, tiles, panel].
std::int64_t gradient_floats(const Ranges& panels, std::int64_t tiles) {
  return panels.count() * kPhasePlaces * apart(tiles * panels.step);
}

}  // namespace

void run_in_parts(const StridedConv& k) {
  const StridedShape& s = k.shape;
  const PhaseTiling tiling(s);
  const Ranges parts = part_ranges(k.transposed ? s.small : s.large);
  const Ranges panels = panel_ranges(k.transposed ? s.large : s.small);
  const std::vector<float> zeros(static_cast<std::size_t>(kPartChannels));
  const PhaseMap from = k.transposed ? small_map(s, k.x) : large_map(s, k.x);
  const std::int64_t block = k.transposed ? kTransposedPartTiles : kPartTiles;
  for (std::int64_t first = 0; first < tiling.count; first += block) {
    const std::int64_t count = std::min(block, tiling.count - first);
    const PartTiles tiles(parts, stored_rows(count), k.transposed);
    float* v = part_tiles_scratch.get(static_cast<std::size_t>(tiles.floats()));
    parallel_for(0, filled_up(count), 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t t = begin; t < end; ++t) {
        t < count ? read_tile_parts(from, tiling, first + t, parts, tiles, t, k.transposed,
                                    zeros.data(), v)
                  : clear_row(parts, tiles, t, v);
      }
    });
    parallel_for(0, panels.count(), 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i)
        write_panel(k, tiling, first, count, parts, tiles, v, panels.first(i), panels.size(i));
    });
  }
}

std::int64_t scratch_in_parts(const StridedShape& s) {
  const std::int64_t tiles = PhaseTiling(s).count;
  return PartTiles(part_ranges(s.large), tiles, false).floats() +
         gradient_floats(panel_ranges(s.small), tiles);
}

void run_in_parts(const StridedWeightGradient& k) {
  const StridedShape& s = k.shape;
  const PhaseTiling tiling(s);
  const Ranges parts = part_ranges(s.large);
  const Ranges panels = panel_ranges(s.small);
  const PartTiles tiles(parts, tiling.count, false);
  const std::vector<float> zeros(static_cast<std::size_t>(std::max(kPartChannels, panels.step)));
  const PhaseMap large = large_map(s, k.large_map);
  const PhaseMap small = small_map(s, k.small_map);
  float* v = k.scratch;
  float* z = v + tiles.floats();
  const std::int64_t panel_floats = kPhasePlaces * apart(tiling.count * panels.step);
  parallel_for(0, tiling.count, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t t = begin; t < end; ++t) {
      read_tile_parts(large, tiling, t, parts, tiles, t, false, zeros.data(), v);
      for (std::int64_t i = 0; i < panels.count(); ++i) {
        const std::int64_t panel = panels.size(i);
        strided_kernels().read_gradient(channels_of(small, panels.first(i), panel), tiling.small(t),
                                        zeros.data(), z + i * panel_floats + t * panel,
                                        apart(tiling.count * panel));
      }
    }
  });
  parallel_for(0, parts.count() * panels.count(), 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t item = begin; item < end; ++item) {
      const std::int64_t p = item / panels.count();
      const std::int64_t i = item % panels.count();
      const std::int64_t panel = panels.size(i);
      const std::int64_t in = tiles.columns(p);
      float* sums = part_scratch.get(static_cast<std::size_t>(kPhasePlaces * apart(in * panel)));
      for (std::int64_t place = 0; place < kPhasePlaces; ++place) {
        strided_kernels().put_matrices(v + tiles.begin(p) + place * tiles.stride(p),
                                       z + i * panel_floats + place * apart(tiling.count * panel),
                                       sums + place * apart(in * panel), tiling.count, in, panel);
      }
      float* weights = k.weights + (panels.first(i) * s.large + parts.first(p)) * kKernelFloats;
      strided_kernels().gather_weights(
          {sums, weights, s.large * kKernelFloats, parts.size(p), panel});
    }
  });
}

#endif

}  // namespace valley::kernels::cpu
