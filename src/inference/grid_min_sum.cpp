#include "inference/grid_min_sum.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdlib>

namespace valley {
namespace {

constexpr int kDirections = 4;
// Steps to the neighbors; those of direction d and d ^ 1 are opposite.
constexpr std::int64_t kRows[kDirections] = {-1, 1, 0, 0};
constexpr std::int64_t kColumns[kDirections] = {0, 0, -1, 1};

class Grid {
 public:
  explicit Grid(const GridEnergy& energy)
      : e_(energy), sum_(static_cast<std::size_t>(energy.levels)), out_(sum_.size()) {
    for (std::vector<float>& messages : arriving_) messages.assign(energy.data.size(), 0);
  }

  // Messages of the pixels of one color to their neighbors, of the other color.
  void send(std::int64_t color) {
    for (std::int64_t r = 0; r < e_.height; ++r)
      for (std::int64_t c = (r + color) % 2; c < e_.width; c += 2) send_from(r, c);
  }

  [[nodiscard]] std::vector<std::int64_t> best() {
    std::vector<std::int64_t> levels;
    for (std::int64_t r = 0; r < e_.height; ++r) {
      for (std::int64_t c = 0; c < e_.width; ++c) {
        add_up(place(r, c), kDirections);
        levels.push_back(std::ranges::min_element(sum_) - sum_.begin());
      }
    }
    return levels;
  }

 private:
  [[nodiscard]] std::size_t place(std::int64_t r, std::int64_t c) const {
    return static_cast<std::size_t>((r * e_.width + c) * e_.levels);
  }

  // The data term and the messages that arrive, without that of one direction.
  void add_up(std::size_t at, int without) {
    for (std::size_t k = 0; k < sum_.size(); ++k) sum_[k] = e_.data[at + k];
    for (int d = 0; d < kDirections; ++d) {
      if (d == without) continue;
      const float* const message = arriving_[d].data() + at;
      for (std::size_t k = 0; k < sum_.size(); ++k) sum_[k] += message[k];
    }
  }

  void send_from(std::int64_t r, std::int64_t c) {
    for (int d = 0; d < kDirections; ++d) {
      const std::int64_t row = r + kRows[d];
      const std::int64_t column = c + kColumns[d];
      if (row < 0 || column < 0 || row >= e_.height || column >= e_.width) continue;
      add_up(place(r, c), d);  // arriving_[d] came from that neighbor
      transform();
      std::ranges::copy(out_,
                        arriving_[d ^ 1].begin() + static_cast<std::ptrdiff_t>(place(row, column)));
    }
  }

  // out(k) = min over j of sum(j) + slope min(|j - k|, truncation), less its minimum.
  void transform() {
    const float min = *std::ranges::min_element(sum_);
    const float bound = min + e_.slope * e_.truncation;
    const std::size_t n = sum_.size();
    out_[0] = sum_[0];
    for (std::size_t k = 1; k < n; ++k) out_[k] = std::min(sum_[k], out_[k - 1] + e_.slope);
    for (std::size_t k = n - 1; k-- > 0;) out_[k] = std::min(out_[k], out_[k + 1] + e_.slope);
    for (float& value : out_) value = std::min(value, bound) - min;
  }

  const GridEnergy& e_;
  std::vector<float> arriving_[kDirections];  // [direction of the sender][pixel, level]
  std::vector<float> sum_;
  std::vector<float> out_;
};

}  // namespace

std::vector<std::int64_t> grid_min_sum(const GridEnergy& energy, std::int64_t rounds,
                                       const GridWatch& watch) {
  Grid grid(energy);
  if (watch) watch(0, grid.best());
  for (std::int64_t round = 0; round < rounds; ++round) {
    grid.send(0);
    grid.send(1);
    if (watch) watch(round + 1, grid.best());
  }
  return grid.best();
}

double grid_energy(const GridEnergy& e, const std::vector<std::int64_t>& levels) {
  double sum = 0;
  const auto cost = [&](std::int64_t a, std::int64_t b) {
    return e.slope * std::min(static_cast<float>(std::abs(a - b)), e.truncation);
  };
  for (std::int64_t r = 0; r < e.height; ++r) {
    for (std::int64_t c = 0; c < e.width; ++c) {
      const std::int64_t at = r * e.width + c;
      const std::int64_t level = levels[static_cast<std::size_t>(at)];
      sum += e.data[static_cast<std::size_t>(at * e.levels + level)];
      if (r > 0) sum += cost(level, levels[static_cast<std::size_t>(at - e.width)]);
      if (c > 0) sum += cost(level, levels[static_cast<std::size_t>(at - 1)]);
    }
  }
  return sum;
}

}  // namespace valley
