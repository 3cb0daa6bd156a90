// A complete training method in one file: an autoencoder that learns to reconstruct images, with
// the networks of BEGAN's discriminator. docs/architecture.md, "Adding a method", explains it;
// tests/methods/example_test.cpp compiles and checks it. A real method has a folder in src/methods.
#pragma once

#include <ATen/TensorOperators.h>
#include <ATen/ops/full.h>

#include "methods/adversarial/energies.h"
#include "methods/adversarial/requirements.h"
#include "methods/began/networks.h"
#include "methods/method.h"

namespace valley::example {

// options.h: the objective.* keys that the method reads, with their defaults.
struct AutoencoderOptions {
  std::string energy = "mse";

  void add_keys(Schema& schema) { add_energy_key(schema, energy); }
};

// objective.h, objective.cpp: the loss.
class AutoencoderObjective final : public Objective {
 public:
  AutoencoderObjective(const AutoencoderOptions& options, const AutoencoderGan& model)
      : energy_(parse_energy(options.energy)), network_(model.discriminator()) {}

  [[nodiscard]] std::vector<Stage> stages() const override {
    return {{"reconstruct", 0, {{"D", {"discriminator"}}}}};  // one phase, until training ends
  }
  [[nodiscard]] std::vector<std::string> sums_of(const Phase& /*phase*/) const override {
    return {"energy/real", "count"};
  }
  void accumulate_gradients(const Phase& /*phase*/, const Microbatch& microbatch,
                            const at::Tensor& sums) override {
    const at::Tensor& x = microbatch.images();
    const at::Tensor energies = sample_energies(energy_, x, network_.reconstruct(x));  // [B]
    const at::Tensor loss = energies.mean();
    // The weight makes the sum over microbatches the loss of the global batch.
    loss.backward(at::full({}, microbatch.weight(), loss.options()));
    sums[0].add_(energies.detach().sum());
    sums[1].add_(static_cast<double>(microbatch.size()));
  }
  void update_controller(const GlobalSums& sums) override {
    const at::Tensor all = sums.at("D").to(at::kDouble);  // over all ranks
    loss_ = all[0] / all[1];
  }
  [[nodiscard]] std::vector<ReportValue> report() const override {
    return {{"energy/real", "D(x)", loss_}};
  }
  [[nodiscard]] std::optional<at::Tensor> convergence() const override { return loss_; }
  void save(TensorMap& /*state*/) const override {}  // no state besides the networks
  void load(const TensorMap& /*state*/, const std::string& /*where*/) override {}

 private:
  Energy energy_;
  const Autoencoder& network_;
  at::Tensor loss_;  // double [], of the last step
};

// method.h, method.cpp: the description, which registry.cpp lists.
class AutoencoderMethod final : public TypedMethod<AutoencoderOptions> {
 public:
  [[nodiscard]] std::string_view name() const override { return "autoencoder"; }
  [[nodiscard]] std::vector<KeyDefault> defaults() const override {
    return {{"optimizer.lr", "1e-3"}, {"optimizer.lr_schedule", "\"constant\""}};
  }
  [[nodiscard]] std::unique_ptr<Model> make_model(const ModelOptions& options,
                                                  at::Device device) const override {
    return make_began(options, device);
  }
  [[nodiscard]] std::unique_ptr<Objective> make_objective(
      const ObjectiveOptions& options, const Model& model,
      const ObjectiveSetting& /*setting*/) const override {
    return std::make_unique<AutoencoderObjective>(options.as<AutoencoderOptions>(),
                                                  require_autoencoder_gan(model, name()));
  }
  // One pass forward, and back to the weights and to the inputs of layers.
  [[nodiscard]] std::optional<PhaseWork> phase_work(const ObjectiveOptions& /*options*/,
                                                    const Model& model,
                                                    const Phase& /*phase*/) const override {
    return PhaseWork{
        {"discriminator", work_from_passes(model.network("discriminator"), {1, 1, 1})}};
  }
};

}  // namespace valley::example
