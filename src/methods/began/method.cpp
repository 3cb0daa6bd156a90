#include "methods/began/method.h"

#include "methods/adversarial/phase_work.h"
#include "methods/began/networks.h"
#include "methods/began/objective.h"
#include "methods/began/options.h"
#include "methods/metric_names.h"

namespace valley {
namespace {

class BeganMethod final : public TypedMethod<BeganOptions> {
 public:
  [[nodiscard]] std::string_view name() const override { return "began"; }
  [[nodiscard]] std::unique_ptr<Model> make_model(const ModelOptions& options,
                                                  at::Device device) const override {
    return make_began(options, device);
  }
  [[nodiscard]] bool can_augment() const override { return true; }
  [[nodiscard]] std::unique_ptr<Objective> make_objective(
      const ObjectiveOptions& options, const Model& model,
      const ObjectiveSetting& setting) const override {
    return make_began_objective(options.as<BeganOptions>(), model, setting);
  }
  [[nodiscard]] std::vector<ForeignKey> rejected_keys() const override {
    return {{"objective.margin", "EBGAN", "uses k instead"},
            {"objective.margin_rmse", "EBGAN", "uses k instead"}};
  }
  [[nodiscard]] std::int64_t needed_labels(const ObjectiveOptions& /*options*/,
                                           const ModelOptions& model) const override {
    return model.labels;
  }
  [[nodiscard]] std::optional<PhaseWork> phase_work(const ObjectiveOptions& options,
                                                    const Model& model,
                                                    const Phase& phase) const override {
    return adversarial_work(model, phase, options.as<BeganOptions>().classes);
  }
  [[nodiscard]] std::vector<Panel> panels() const override {
    return {{kControlSection,
             "k",
             "Weight of the generated samples in the discriminator's loss.",
             "",
             {{metric::kControl, "k", ""}}}};
  }
};

}  // namespace

std::unique_ptr<Method> make_began_method() { return std::make_unique<BeganMethod>(); }

}  // namespace valley
