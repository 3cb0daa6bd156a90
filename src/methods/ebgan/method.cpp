#include "methods/ebgan/method.h"

#include "methods/adversarial/panels.h"
#include "methods/adversarial/phase_work.h"
#include "methods/ebgan/networks.h"
#include "methods/ebgan/objective.h"
#include "methods/ebgan/options.h"

namespace valley {
namespace {

class EbganMethod final : public TypedMethod<EbganOptions> {
 public:
  [[nodiscard]] std::string_view name() const override { return "ebgan"; }
  // The paper does not give width, latent dimension and learning rate. Its margins 20, 40 and 80
  // for 64, 128 and 256 pixels equal this RMSE.
  [[nodiscard]] std::vector<KeyDefault> defaults() const override {
    return {{"model.width", "64"},
            {"model.latent", "100"},
            {"model.latent_distribution", "\"normal\""},
            {"model.output", "\"tanh\""},
            {"model.batch_norm", "true"},
            {"objective.energy", "\"l2_norm\""},
            {"objective.margin_rmse", "0.18"},
            {"train.global_batch", "64"},
            {"optimizer.lr", "2e-4"},
            {"optimizer.lr_schedule", "\"constant\""}};
  }
  [[nodiscard]] std::unique_ptr<Model> make_model(const ModelOptions& options,
                                                  at::Device device) const override {
    return make_ebgan(options, device);
  }
  [[nodiscard]] bool can_augment() const override { return true; }
  [[nodiscard]] std::unique_ptr<Objective> make_objective(
      const ObjectiveOptions& options, const Model& model,
      const ObjectiveSetting& setting) const override {
    return make_ebgan_objective(options.as<EbganOptions>(), model, setting);
  }
  // A margin in the config replaces the default, which is an RMSE. No paper gives a margin for
  // `mse`.
  void settle(ObjectiveOptions& all, const Schema& schema) const override {
    if (schema.was_given("objective.margin_rmse")) return;
    auto& options = all.as<EbganOptions>();
    if (options.margin || options.energy == "mse") options.margin_rmse.reset();
  }
  [[nodiscard]] bool couples_samples(const ObjectiveOptions& options) const override {
    return options.as<EbganOptions>().pulling_away != "none";
  }
  [[nodiscard]] std::int64_t needed_labels(const ObjectiveOptions& /*options*/,
                                           const ModelOptions& model) const override {
    return model.labels;
  }
  [[nodiscard]] std::optional<PhaseWork> phase_work(const ObjectiveOptions& options,
                                                    const Model& model,
                                                    const Phase& phase) const override {
    return adversarial_work(model, phase, options.as<EbganOptions>().classes);
  }
  [[nodiscard]] std::vector<Panel> panels() const override { return margin_panels(); }
};

}  // namespace

std::unique_ptr<Method> make_ebgan_method() { return std::make_unique<EbganMethod>(); }

}  // namespace valley
