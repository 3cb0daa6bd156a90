#include "inference/chain_restorer.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/full.h>

#include "core/error.h"

namespace valley {
namespace {

class ChainRestorer final : public Restorer {
 public:
  ChainRestorer(const ImageEnergy& energy, const LangevinSettings& settings, double weight)
      : energy_(energy), settings_(settings), weight_(weight) {}

  [[nodiscard]] at::Tensor restore(const RestoreTask& task) const override {
    const at::Device device = energy_.device();
    const at::Tensor known = task.unknown.logical_not().to(device);
    ChainRules rules;
    rules.watch = task.watch;
    if (task.noise == 0) {
      rules.held = known;
    } else {
      // argmin over x of |x - x'|^2 / (2 step) + weight |x - y|^2 / (2 noise^2)
      const double pull = settings_.step_size * weight_ / (task.noise * task.noise);
      const at::Tensor share = known.to(at::kFloat) * (pull / (1 + pull));
      const at::Tensor damaged = task.damaged.to(device);
      rules.amend = [share, damaged](const at::Tensor& x) { x.add_((damaged - x).mul_(share)); };
    }
    const ChainPlace place{
        task.seed, RandomStream::kRestoreChain,
        at::full({}, static_cast<std::int64_t>(task.position), at::kLong).to(device), 0};
    return run_langevin([&](const at::Tensor& x) { return energy_.energy(x); },
                        task.start.to(device), settings_, place, rules)
        .images.to(at::kCPU);
  }
  [[nodiscard]] std::int64_t steps() const override { return settings_.steps; }
  [[nodiscard]] std::string describe() const override {
    return fmt::format(
        "{}: {} steps of {:.4g} times the gradient{}{}, weight {:.4g}",
        settings_.noise > 0 ? "langevin" : "gradient", settings_.steps, settings_.step_size,
        settings_.clamp > 0 ? fmt::format(" clamped to {:.4g}", settings_.clamp) : "",
        settings_.noise > 0 ? fmt::format(", noise {:.4g}", settings_.noise) : "", weight_);
  }

 private:
  const ImageEnergy& energy_;
  LangevinSettings settings_;
  double weight_;
};

}  // namespace

std::unique_ptr<Restorer> make_chain_restorer(const SavedModel& saved, const ImageEnergy& energy,
                                              const RestoreRequest& request, bool with_noise) {
  constexpr double kWeight = 0.002;
  LangevinSettings settings = chain_settings_of(saved, energy, request.chain);
  if (!with_noise) {
    if (request.chain.noise)
      throw Error(ExitCode::kUsage, "--chain-noise is for --method langevin, not for gradient");
    settings.noise = 0;
  }
  return std::make_unique<ChainRestorer>(energy, settings, request.weight.value_or(kWeight));
}

}  // namespace valley
