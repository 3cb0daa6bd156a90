#include "inference/grid_restorer.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/where.h>
#include <fmt/core.h>

#include <vector>

#include "core/progress_count.h"
#include "inference/grid_min_sum.h"

namespace valley {
namespace {

constexpr std::int64_t kLevels = 64;
constexpr std::int64_t kRounds = 40;
// Cost of an edge in nats per unit of intensity, and the difference with the largest cost.
constexpr double kSlope = 8;
constexpr double kTruncation = 0.3;
constexpr float kImpossible = 1e6F;

double intensity(std::int64_t level) {
  return static_cast<double>(level) / static_cast<double>(kLevels - 1);
}

class GridRestorer final : public Restorer {
 public:
  GridRestorer(std::int64_t rounds, double weight) : rounds_(rounds), weight_(weight) {}

  [[nodiscard]] at::Tensor restore(const RestoreTask& task) const override {
    const at::NoGradGuard no_grad;
    // One per step if they are watched: `watch` gets all channels of a step at once.
    std::vector<at::Tensor> frames;
    const at::Tensor damaged = task.damaged.to(at::kCPU).contiguous();
    const at::Tensor known = task.unknown.logical_not().to(at::kCPU).contiguous();
    const std::int64_t steps = task.watch ? rounds_ + 1 : 1;
    for (std::int64_t s = 0; s < steps; ++s) frames.push_back(at::empty_like(damaged));
    for (std::int64_t i = 0; i < damaged.size(0); ++i)
      for (std::int64_t c = 0; c < damaged.size(1); ++c)
        restore_channel(damaged[i][c], known[i][0], task, i, c, frames);
    for (at::Tensor& frame : frames)
      if (task.noise == 0) frame = at::where(known, damaged, frame);
    if (task.watch)
      for (std::int64_t s = 0; s < steps; ++s) task.watch(s, frames[static_cast<std::size_t>(s)]);
    return frames.back();
  }
  [[nodiscard]] std::int64_t steps() const override { return rounds_; }
  [[nodiscard]] std::string describe() const override {
    return fmt::format("min-sum: {} rounds on the grid of pixels in {} levels, weight {:.4g}",
                       rounds_, kLevels, weight_);
  }

 private:
  // pixels: float [H, W]; is_known: bool [H, W]; both contiguous on the host
  void restore_channel(const at::Tensor& pixels, const at::Tensor& is_known,
                       const RestoreTask& task, std::int64_t image, std::int64_t channel,
                       const std::vector<at::Tensor>& frames) const {
    GridEnergy energy{pixels.size(0), pixels.size(1), kLevels, {}, 0, 0};
    energy.slope = static_cast<float>(kSlope / static_cast<double>(kLevels - 1));
    energy.truncation = static_cast<float>(kTruncation * static_cast<double>(kLevels - 1));
    const auto* const values = pixels.const_data_ptr<float>();
    const auto* const marks = is_known.const_data_ptr<bool>();
    for (std::int64_t p = 0; p < pixels.numel(); ++p)
      for (std::int64_t level = 0; level < kLevels; ++level)
        energy.data.push_back(marks[p] ? cost(values[p], level, task.noise) : 0);

    const auto keep = [&](std::size_t frame, const std::vector<std::int64_t>& levels) {
      const at::Tensor out = frames[frame].select(0, image).select(0, channel);
      auto* const to = out.mutable_data_ptr<float>();
      for (std::size_t p = 0; p < levels.size(); ++p)
        to[p] = static_cast<float>(intensity(levels[p]));
    };
    GridWatch watch;
    if (task.watch)
      watch = [&](std::int64_t rounds, const auto& levels) {
        keep(static_cast<std::size_t>(rounds), levels);
      };
    const std::vector<std::int64_t> levels = grid_min_sum(energy, rounds_, watch);
    keep(frames.size() - 1, levels);
    count_progress();
  }

  [[nodiscard]] float cost(float value, std::int64_t level, double noise) const {
    const double difference = static_cast<double>(value) - intensity(level);
    if (noise > 0)
      return static_cast<float>(weight_ * difference * difference / (2 * noise * noise));
    return std::abs(difference) <= 0.5 / static_cast<double>(kLevels - 1) + 1e-6 ? 0 : kImpossible;
  }

  std::int64_t rounds_;
  double weight_;
};

}  // namespace

std::unique_ptr<Restorer> make_grid_restorer(const RestoreRequest& request) {
  return std::make_unique<GridRestorer>(request.chain.steps.value_or(kRounds),
                                        request.weight.value_or(1));
}

}  // namespace valley
