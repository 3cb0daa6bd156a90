// Labels of the pixels of an image by min-sum on its grid:
//   E(y) = sum_p D_p(y_p) + slope sum_(p, q neighbors) min(|y_p - y_q|, truncation)
// with levels y_p = 0 .. levels - 1. With two levels this is the Ising model, with more a
// Potts-like model whose edges cost no more than slope * truncation. Messages take O(levels) by
// distance transforms and are updated on one half of a checkerboard at a time (Felzenszwalb &
// Huttenlocher 2006).
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

namespace valley {

struct GridEnergy {
  std::int64_t height = 0;
  std::int64_t width = 0;
  std::int64_t levels = 0;  // at least 2
  std::vector<float> data;  // [height, width, levels]: D_p, at least 0
  float slope = 1;
  float truncation = 1;  // in levels
};

// Called after each round with the level of the lowest belief of each pixel, [height, width].
using GridWatch = std::function<void(std::int64_t rounds, const std::vector<std::int64_t>& levels)>;

// The levels after `rounds` rounds: not always a minimum, because grids have loops.
[[nodiscard]] std::vector<std::int64_t> grid_min_sum(const GridEnergy& energy, std::int64_t rounds,
                                                     const GridWatch& watch = {});

// E of an assignment.
[[nodiscard]] double grid_energy(const GridEnergy& energy, const std::vector<std::int64_t>& levels);

}  // namespace valley
