#include "methods/ebgan/objective.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/abs.h>
#include <ATen/ops/full.h>

#include "core/error.h"
#include "methods/adversarial/hinge.h"
#include "methods/adversarial/phases.h"
#include "methods/adversarial/requirements.h"
#include "methods/ebgan/margin.h"
#include "methods/metric_names.h"

namespace valley {
namespace {

class Ebgan : public Objective {
 public:
  Ebgan(const EbganOptions& options, const HingeUpdates& updates, double margin, at::Device device)
      : updates_(updates),
        pulling_(parse_pulling_away(options.pulling_away)),
        weight_(options.pulling_away_weight),
        margin_(at::full({}, margin, at::TensorOptions(device).dtype(at::kDouble))) {}

  [[nodiscard]] std::vector<Stage> stages() const override { return {phases::alternating_stage()}; }
  [[nodiscard]] bool is_graph_capturable() const override { return true; }
  [[nodiscard]] std::vector<std::string> sample_metrics() const override {
    return {metric::kRealEnergy, metric::kFakeEnergy};
  }
  [[nodiscard]] std::vector<std::string> sums_of(const Phase& phase) const override {
    return phase.name == phases::kDiscriminator ? updates_.discriminator_names()
                                                : generator_sums::names();
  }

  void accumulate_gradients(const Phase& phase, const Microbatch& microbatch,
                            const at::Tensor& sums) override {
    phase.name == phases::kDiscriminator ? updates_.discriminator(microbatch, margin_, sums)
                                         : updates_.generator(microbatch, pulling_, weight_, sums);
  }
  void prefetch(const Phase& phase, Microbatch& microbatch) const override {
    if (phase.name == phases::kGenerator) updates_.prefetch_generator(microbatch);
  }

  void update_controller(const GlobalSums& sums) override {
    const at::Tensor d = sums.at(phases::kDiscriminator).to(at::kDouble) /
                         sums.at(phases::kDiscriminator)[discriminator_sums::kCount];
    const at::Tensor g = sums.at(phases::kGenerator).to(at::kDouble) /
                         sums.at(phases::kGenerator)[generator_sums::kCount];
    const at::Tensor real = d[discriminator_sums::kReal];
    const at::Tensor fake = g[generator_sums::kFake];
    const at::Tensor term = g[generator_sums::kPullingAway];
    convergence_ = real + at::abs(real - fake);
    report_ = {{"loss/D", "", updates_.with_mismatch(real + d[discriminator_sums::kHinge], d)},
               {"loss/G", "", fake + weight_ * term},
               {metric::kRealEnergy, "D(x)", real},
               {metric::kFakeEnergy, "D(G)", d[discriminator_sums::kFake]},
               {metric::kMargin, "", margin_},
               {metric::kActiveHinge, "hinge", d[discriminator_sums::kActive]},
               {metric::kConvergence, "", convergence_}};
    updates_.report_mismatch(d, report_);
    if (pulling_ != PullingAway::kNone) report_.push_back({"pulling_away", "PT", term});
    updates_.adapt(d);
    updates_.augmentation().add_report(report_);
  }
  [[nodiscard]] std::vector<ReportValue> report() const override { return report_; }
  [[nodiscard]] std::optional<at::Tensor> convergence() const override { return convergence_; }

  // The margin is a constant of the config.
  void save(TensorMap& state) const override { updates_.augmentation().save(state); }
  void load(const TensorMap& state, const std::string& where) override {
    updates_.augmentation().load(state, where);
  }

 private:
  HingeUpdates updates_;
  PullingAway pulling_;
  double weight_;
  at::Tensor margin_;       // double []
  at::Tensor convergence_;  // double [], of the last step
  std::vector<ReportValue> report_;
};

void require_pairs(const EbganOptions& options, const ObjectiveSetting& setting) {
  if (options.pulling_away == "none" || setting.microbatch_size >= 2) return;
  throw Error(ExitCode::kConfig,
              "objective.pulling_away = \"{}\" compares the samples of a microbatch, which has {}; "
              "set train.microbatch to 2 or more",
              options.pulling_away, setting.microbatch_size);
}

}  // namespace

std::unique_ptr<Objective> make_ebgan_objective(const EbganOptions& options, const Model& model,
                                                const ObjectiveSetting& setting) {
  const AutoencoderGan& gan = require_autoencoder_gan(model, "ebgan");
  require_alternating(setting, "ebgan");
  require_pairs(options, setting);
  const Energy energy = parse_energy(options.energy);
  const double margin = stated_margin(options, energy, gan.pixel_range(), setting);
  return std::make_unique<Ebgan>(options, HingeUpdates(gan, energy, setting, options.classes),
                                 margin, setting.device);
}

}  // namespace valley
