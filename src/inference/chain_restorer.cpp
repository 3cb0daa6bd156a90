#include "inference/chain_restorer.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/full.h>
#include <ATen/ops/where.h>

#include "core/error.h"
#include "methods/ebm/energy_model.h"

namespace valley {
namespace {

constexpr std::int64_t kRestorerSteps = 60;
constexpr double kStepSizeFactor = 0.1;
constexpr double kDefaultPull = 0.001;

class ChainRestorer final : public Restorer {
 public:
  ChainRestorer(const ImageEnergy& energy, const LangevinSettings& settings, double weight)
      : energy_(energy), settings_(settings), weight_(weight) {}

  [[nodiscard]] at::Tensor restore(const RestoreTask& task) const override {
    const at::Device device = energy_.device();
    const at::Tensor known = task.unknown.logical_not().to(device);
    ChainRules rules;
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
    at::Tensor sum;  // over the second half of the steps
    const std::int64_t half = settings_.steps / 2;
    rules.watch = [&](std::int64_t steps, const at::Tensor& x) {
      if (task.watch) task.watch(steps, x);
      if (settings_.noise > 0 && steps > half) sum = sum.defined() ? sum.add_(x) : x.clone();
    };
    const at::Tensor end = run_langevin([&](const at::Tensor& x) { return energy_.energy(x); },
                                        task.guess.to(device), settings_, place, rules)
                               .images;
    if (!sum.defined()) return end.to(at::kCPU);
    sum.div_(static_cast<double>(settings_.steps - half));
    if (rules.held.defined()) sum = at::where(known, task.damaged.to(device), sum);
    return sum.to(at::kCPU);
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
  LangevinSettings settings = make_chain_settings(saved, energy, request.chain);
  if (dynamic_cast<const EnergyModel*>(saved.model.get()) != nullptr) {
    if (!request.chain.steps) settings.steps = kRestorerSteps;
    if (!request.chain.step_size) settings.step_size *= kStepSizeFactor;
  }
  if (!with_noise) {
    if (request.chain.noise)
      throw Error(ExitCode::kUsage,
                  "--chain-noise is for --method langevin, not for gradient: leave it out");
    settings.noise = 0;
  }
  const double weight =
      settings.step_size > 0 ? kDefaultPull / settings.step_size : 1;  // unused for step size 0
  return std::make_unique<ChainRestorer>(energy, settings, request.weight.value_or(weight));
}

}  // namespace valley
