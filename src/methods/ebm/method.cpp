#include "methods/ebm/method.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "methods/ebm/energy_model.h"
#include "methods/ebm/networks.h"
#include "methods/ebm/objective.h"
#include "methods/ebm/options.h"

namespace valley {
namespace {

class EbmMethod final : public TypedMethod<EbmOptions> {
 public:
  [[nodiscard]] std::string_view name() const override { return "ebm"; }
  // Settings of the paper and of its authors' code.
  [[nodiscard]] std::vector<KeyDefault> defaults() const override {
    return {{"model.width", "128"},        {"model.spectral_norm", "true"},
            {"train.global_batch", "128"}, {"optimizer.lr", "3e-4"},
            {"optimizer.beta1", "0.0"},    {"optimizer.lr_schedule", "\"constant\""}};
  }
  [[nodiscard]] std::unique_ptr<Model> make_model(const ModelOptions& options,
                                                  at::Device device) const override {
    return make_ebm(options, device);
  }
  [[nodiscard]] std::unique_ptr<Objective> make_objective(
      const ObjectiveOptions& options, const Model& model,
      const ObjectiveSetting& setting) const override {
    return make_ebm_objective(options.as<EbmOptions>(), model, setting);
  }
  [[nodiscard]] bool couples_samples(const ObjectiveOptions& /*options*/) const override {
    return true;
  }
  [[nodiscard]] std::int64_t needed_labels(const ObjectiveOptions& options,
                                           const ModelOptions& model) const override {
    return options.as<EbmOptions>().is_supervised() ? model.labels : 0;
  }
  // The generative term needs no labels.
  [[nodiscard]] bool accepts_unlabeled(const ObjectiveOptions& options) const override {
    return options.as<EbmOptions>().generative_weight > 0;
  }
  [[nodiscard]] StateBytes state_bytes(const ObjectiveOptions& options, const ModelOptions& model,
                                       std::int64_t global_batch) const override {
    const std::int64_t image = model.resolution * model.resolution * model.channels;
    return {std::max(options.as<EbmOptions>().replay_size, global_batch) * image, 0};
  }
  // Each Langevin step has a forward pass and a backward pass to the image. The loss has one of
  // each for real images and for ends of chains.
  [[nodiscard]] std::optional<PhaseWork> phase_work(const ObjectiveOptions& options,
                                                    const Model& model,
                                                    const Phase& /*phase*/) const override {
    const auto* energy = dynamic_cast<const EnergyModel*>(&model);
    if (energy == nullptr) return std::nullopt;
    const auto& o = options.as<EbmOptions>();
    if (o.generative_weight == 0)
      return PhaseWork{{"energy", work_from_passes(energy->energy(), {1, 1, 1})}};
    const auto passes = static_cast<double>(o.langevin_steps) + 2;
    const double forward = passes + (o.has_softplus() ? 1 : 0);
    return PhaseWork{{"energy", work_from_passes(energy->energy(), {forward, passes, 2})}};
  }
  [[nodiscard]] std::vector<std::string> plan_lines(
      const ObjectiveOptions& options) const override {
    if (options.as<EbmOptions>().generative_weight == 0)
      return {"no chains: objective.generative_weight = 0 trains a classifier"};
    return {fmt::format(
        "chains: {} Langevin steps per update, each with a forward and a backward pass to the "
        "pixels; then 2 backward passes to the weights",
        options.as<EbmOptions>().langevin_steps)};
  }
  [[nodiscard]] bool energies_are_errors() const override { return false; }
  // E(x+) - E(x-) + a (E(x+)^2 + E(x-)^2) is least where E(x+) = -1 / (2 a), E(x-) = 1 / (2 a);
  // with the softplus of the difference, where E(x+) = -g / 2, E(x-) = g / 2, sigmoid(-g) = a g.
  [[nodiscard]] std::optional<double> separating_gap(
      const ObjectiveOptions& options) const override {
    const auto& o = options.as<EbmOptions>();
    if (o.energy_decay <= 0 || o.is_supervised()) return std::nullopt;
    if (!o.has_softplus()) return 1 / o.energy_decay;
    double low = 0;
    double high = 1 / o.energy_decay;
    for (int i = 0; i < 60; ++i) {
      const double gap = (low + high) / 2;
      (1 / (1 + std::exp(gap)) > o.energy_decay * gap ? low : high) = gap;
    }
    return low;
  }
  [[nodiscard]] std::string energy_unit(const std::string& /*energy_key*/) const override {
    return "";
  }
};

}  // namespace

std::unique_ptr<Method> make_ebm_method() { return std::make_unique<EbmMethod>(); }

}  // namespace valley
