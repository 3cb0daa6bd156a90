#include "methods/dbn/method.h"

#include <fmt/format.h>

#include <numeric>

#include "methods/dbn/cost.h"
#include "methods/dbn/networks.h"
#include "methods/dbn/objective.h"
#include "methods/dbn/options.h"

namespace valley {
namespace {

class DbnMethod final : public TypedMethod<DbnOptions> {
 public:
  [[nodiscard]] std::string_view name() const override { return "dbn"; }
  [[nodiscard]] std::vector<KeyDefault> defaults() const override {
    return {{"model.layers", "[500, 500, 2000]"}, {"objective.pretrain_epochs", "30"},
            {"train.global_batch", "100"},        {"train.ema_half_life", "0.0"},
            {"optimizer.name", "\"sgd\""},        {"optimizer.lr", "0.1"},
            {"optimizer.momentum", "0.9"},        {"optimizer.lr_schedule", "\"constant\""}};
  }
  [[nodiscard]] std::unique_ptr<Model> make_model(const ModelOptions& options,
                                                  at::Device device) const override {
    return make_dbn(options, device);
  }
  [[nodiscard]] bool needs_fp32() const override { return true; }
  [[nodiscard]] std::unique_ptr<Objective> make_objective(
      const ObjectiveOptions& options, const Model& model,
      const ObjectiveSetting& setting) const override {
    return make_dbn_objective(options.as<DbnOptions>(), model, setting);
  }
  [[nodiscard]] bool couples_samples(const ObjectiveOptions& options) const override {
    return options.as<DbnOptions>().persistent_chains;
  }
  [[nodiscard]] std::int64_t needed_labels(const ObjectiveOptions& options,
                                           const ModelOptions& model) const override {
    return model.label_units || options.as<DbnOptions>().fine_tune_epochs > 0 ? model.labels : 0;
  }
  [[nodiscard]] StateBytes state_bytes(const ObjectiveOptions& options, const ModelOptions& model,
                                       std::int64_t global_batch) const override {
    if (!options.as<DbnOptions>().persistent_chains) return {};
    const auto hidden = std::accumulate(model.layers.begin(), model.layers.end(), std::int64_t{0});
    return {0, hidden * global_batch};
  }
  [[nodiscard]] std::optional<PhaseWork> phase_work(const ObjectiveOptions& options,
                                                    const Model& model,
                                                    const Phase& phase) const override {
    const auto* dbn = dynamic_cast<const DeepBeliefNetwork*>(&model);
    if (dbn == nullptr) return std::nullopt;
    return dbn_work(*dbn, options.as<DbnOptions>(), phase);
  }
  [[nodiscard]] std::optional<std::string> warning(const ObjectiveOptions& all,
                                                   const OptimizerFacts& optimizer) const override {
    const auto& options = all.as<DbnOptions>();
    constexpr double kMaxMomentum = 0.5;  // measured: docs/objectives-dbn.md, "Caveats"
    if (!options.persistent_chains || options.pretrain_epochs == 0 || optimizer.name != "sgd" ||
        optimizer.momentum <= kMaxMomentum)
      return std::nullopt;
    return fmt::format(
        "objective.persistent_chains with optimizer.momentum = {}: training diverges when the "
        "weights move faster than the persistent chains mix; set optimizer.momentum to {} or "
        "less, and a smaller optimizer.lr, such as 0.02",
        optimizer.momentum, kMaxMomentum);
  }
  // Stages end after a number of epochs, which the host counts.
  [[nodiscard]] bool can_record_graphs() const override { return false; }
  [[nodiscard]] bool energies_are_errors() const override { return false; }
  [[nodiscard]] std::string energy_unit(const std::string& /*energy_key*/) const override {
    return "free energy, nats";
  }
};

}  // namespace

std::unique_ptr<Method> make_dbn_method() { return std::make_unique<DbnMethod>(); }

}  // namespace valley
