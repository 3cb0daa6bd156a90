#include "methods/magan/method.h"

#include "methods/adversarial/panels.h"
#include "methods/adversarial/phase_work.h"
#include "methods/magan/networks.h"
#include "methods/magan/objective.h"
#include "methods/magan/options.h"
#include "methods/metric_names.h"

namespace valley {
namespace {

class MaganMethod final : public TypedMethod<MaganOptions> {
 public:
  [[nodiscard]] std::string_view name() const override { return "magan"; }
  // Settings of the paper and of its authors' code.
  [[nodiscard]] std::vector<KeyDefault> defaults() const override {
    return {{"model.width", "64"},
            {"model.latent", "350"},
            {"model.latent_distribution", "\"normal\""},
            {"model.output", "\"tanh\""},
            {"objective.energy", "\"l2_sum\""},
            {"train.global_batch", "64"},
            {"optimizer.name", "\"adamax\""},
            {"optimizer.bias_correction", "false"},
            {"optimizer.lr", "5e-4"},
            {"optimizer.lr_schedule", "\"constant\""}};
  }
  [[nodiscard]] std::unique_ptr<Model> make_model(const ModelOptions& options,
                                                  at::Device device) const override {
    return make_magan(options, device);
  }
  [[nodiscard]] bool can_augment() const override { return true; }
  [[nodiscard]] std::unique_ptr<Objective> make_objective(
      const ObjectiveOptions& options, const Model& model,
      const ObjectiveSetting& setting) const override {
    return make_magan_objective(options.as<MaganOptions>(), model, setting);
  }
  [[nodiscard]] std::vector<ForeignKey> rejected_keys() const override {
    return {{"objective.margin", "EBGAN", "measures its margin itself"},
            {"objective.margin_rmse", "EBGAN", "measures its margin itself"},
            {"objective.pulling_away", "EBGAN", "does not use this term"}};
  }
  [[nodiscard]] std::int64_t needed_labels(const ObjectiveOptions& /*options*/,
                                           const ModelOptions& model) const override {
    return model.labels;
  }
  [[nodiscard]] std::optional<PhaseWork> phase_work(const ObjectiveOptions& options,
                                                    const Model& model,
                                                    const Phase& phase) const override {
    return adversarial_work(model, phase, options.as<MaganOptions>().classes);
  }
  [[nodiscard]] std::vector<Panel> panels() const override {
    Panel epochs{kEnergySection,
                 "Means of epochs",
                 "S_D and S_G of an epoch over its steps, which decide the margin. Steps at which "
                 "the margin was lowered are marked.",
                 "",
                 {{"epoch:mean/real", "real", "real"},
                  {"epoch:mean/fake", "generated", "fake"},
                  {"epoch:margin", "margin", "margin"}}};
    epochs.is_energy = epochs.follows_energy = epochs.marks_cuts = true;
    std::vector<Panel> panels = {std::move(epochs)};
    for (Panel& panel : margin_panels()) panels.push_back(std::move(panel));
    return panels;
  }
};

}  // namespace

std::unique_ptr<Method> make_magan_method() { return std::make_unique<MaganMethod>(); }

}  // namespace valley
