#include "methods/magan/objective.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/abs.h>
#include <ATen/ops/full.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <limits>

#include "core/error.h"
#include "methods/adversarial/hinge.h"
#include "methods/adversarial/phases.h"
#include "methods/adversarial/requirements.h"
#include "methods/metric_names.h"

namespace valley {
namespace {

constexpr const char* kMargin = "objective.margin";
constexpr const char* kPreviousSum = "objective.s_g_previous";
// Upper bound of the pretraining steps, longer than any run, so that no count overflows.
constexpr std::int64_t kMaxPretrainingSteps = 1'000'000'000'000'000;

class Magan : public Objective {
 public:
  Magan(const MaganOptions& options, const HingeUpdates& updates, const ObjectiveSetting& setting)
      : updates_(updates),
        epoch_steps_(setting.epoch_steps),
        pretrain_epochs_(std::min(options.pretrain_epochs, kMaxPretrainingSteps / epoch_steps_)),
        margin_(at::zeros({}, at::TensorOptions(setting.device).dtype(at::kDouble))) {}

  [[nodiscard]] std::vector<Stage> stages() const override {
    std::vector<Stage> stages;
    if (pretrain_epochs_ > 0) {
      stages.push_back({phases::kPretrain,
                        pretrain_epochs_ * epoch_steps_,
                        {{phases::kPretrain, {"discriminator"}}}});
    }
    stages.push_back({phases::kMeasure, epoch_steps_, {{phases::kMeasure, {}}}});
    stages.push_back(phases::alternating_stage());
    return stages;
  }
  [[nodiscard]] bool is_graph_capturable() const override { return true; }
  [[nodiscard]] std::vector<std::string> sample_metrics() const override {
    return {metric::kRealEnergy, metric::kFakeEnergy};
  }
  [[nodiscard]] std::vector<std::string> sums_of(const Phase& phase) const override {
    if (phase.name == phases::kDiscriminator) return updates_.discriminator_names();
    return phase.name == phases::kGenerator ? generator_sums::names() : real_sums::names();
  }

  void accumulate_gradients(const Phase& phase, const Microbatch& microbatch,
                            const at::Tensor& sums) override {
    if (phase.name == phases::kPretrain) updates_.reals(microbatch, sums);
    if (phase.name == phases::kMeasure) updates_.measure(microbatch, sums);
    if (phase.name == phases::kDiscriminator) updates_.discriminator(microbatch, margin_, sums);
    if (phase.name == phases::kGenerator)
      updates_.generator(microbatch, PullingAway::kNone, 0, sums);
  }
  void prefetch(const Phase& phase, Microbatch& microbatch) const override {
    if (phase.name == phases::kGenerator) updates_.prefetch_generator(microbatch);
  }

  void update_controller(const GlobalSums& sums) override {
    convergence_.reset();
    if (const auto found = sums.find(phases::kDiscriminator); found != sums.end()) {
      report_adversarial(found->second.to(at::kDouble),
                         sums.at(phases::kGenerator).to(at::kDouble));
      return;
    }
    const bool measures = sums.contains(phases::kMeasure);
    const at::Tensor all = sums.at(measures ? phases::kMeasure : phases::kPretrain).to(at::kDouble);
    const at::Tensor real = all[real_sums::kReal] / all[real_sums::kCount];
    report_ = {{metric::kRealEnergy, "D(x)", real}};
    if (!measures) report_.push_back({"loss/D", "", real});
  }
  [[nodiscard]] std::vector<ReportValue> report() const override { return report_; }
  [[nodiscard]] std::optional<at::Tensor> convergence() const override { return convergence_; }

  [[nodiscard]] bool has_epochs() const override { return true; }
  EpochReport end_epoch(const GlobalSums& sums) override {
    const double before = margin_.item<double>();
    if (const auto found = sums.find(phases::kPretrain); found != sums.end())
      return epoch_of_reals(phases::kPretrain, found->second, before, before);
    if (const auto found = sums.find(phases::kMeasure); found != sums.end()) {
      const double measured = sum_of_means(found->second, real_sums::kReal, real_sums::kCount);
      margin_.fill_(measured / steps());
      return epoch_of_reals(phases::kMeasure, found->second, before, measured / steps());
    }
    return adversarial_epoch(sums.at(phases::kDiscriminator), sums.at(phases::kGenerator), before);
  }

  void save(TensorMap& state) const override {
    state[kMargin] = margin_;
    state[kPreviousSum] = at::full({}, previous_sum_, at::kDouble);
    updates_.augmentation().save(state);
  }
  void load(const TensorMap& state, const std::string& where) override {
    margin_.copy_(require_tensor(state, kMargin, {}, where));
    previous_sum_ = require_tensor(state, kPreviousSum, {}, where).item<double>();
    updates_.augmentation().load(state, where);
  }

 private:
  [[nodiscard]] double steps() const { return static_cast<double>(epoch_steps_); }

  // Sum of the batch means of an epoch, from its sums over samples.
  [[nodiscard]] double sum_of_means(const at::Tensor& sums, std::int64_t slot,
                                    std::int64_t count) const {
    const double batch = sums[count].item<double>() / steps();
    return sums[slot].item<double>() / batch;
  }

  [[nodiscard]] EpochReport epoch_of_reals(const std::string& stage, const at::Tensor& sums,
                                           double margin, double next) const {
    return {{"stage", stage},
            {"S_D", sum_of_means(sums, real_sums::kReal, real_sums::kCount)},
            {"steps", steps()},
            {metric::kMargin, margin},
            {"margin_next", next}};
  }

  EpochReport adversarial_epoch(const at::Tensor& d, const at::Tensor& g, double margin) {
    const double s_d = sum_of_means(d, discriminator_sums::kReal, discriminator_sums::kCount);
    const double s_g = sum_of_means(g, generator_sums::kFake, generator_sums::kCount);
    const bool cut = s_g > previous_sum_ && s_d < s_g && s_d / steps() < margin;
    const double next = cut ? s_d / steps() : margin;
    margin_.fill_(next);
    EpochReport report = {{"stage", "adversarial"},
                          {"S_D", s_d},
                          {"S_G", s_g},
                          {"S_G_previous", previous_sum_},
                          {"steps", steps()},
                          {metric::kMargin, margin},
                          {"margin_next", next}};
    previous_sum_ = s_g;
    return report;
  }

  void report_adversarial(const at::Tensor& d, const at::Tensor& g) {
    using namespace discriminator_sums;
    const at::Tensor means = d / d[kCount];
    const at::Tensor real = means[kReal];
    const at::Tensor fake = g[generator_sums::kFake] / g[generator_sums::kCount];
    convergence_ = real + at::abs(real - fake);
    report_ = {{"loss/D", "", updates_.with_mismatch(real + means[kHinge], means)},
               {"loss/G", "", fake},
               {metric::kRealEnergy, "D(x)", real},
               {metric::kFakeEnergy, "D(G)", means[kFake]},
               // A copy, because the end of an epoch changes the margin.
               {metric::kMargin, "m", margin_.clone()},
               {metric::kActiveHinge, "hinge", means[kActive]},
               {metric::kConvergence, "", *convergence_}};
    updates_.report_mismatch(means, report_);
    updates_.adapt(means);
    updates_.augmentation().add_report(report_);
  }

  HingeUpdates updates_;
  std::int64_t epoch_steps_;
  std::int64_t pretrain_epochs_;
  at::Tensor margin_;                                              // double [], margin of this step
  double previous_sum_ = std::numeric_limits<double>::infinity();  // S_G of the previous epoch
  std::optional<at::Tensor>
      convergence_;  // double [], of the last step; only if it was adversarial
  std::vector<ReportValue> report_;
};

}  // namespace

std::unique_ptr<Objective> make_magan_objective(const MaganOptions& options, const Model& model,
                                                const ObjectiveSetting& setting) {
  const AutoencoderGan& gan = require_autoencoder_gan(model, "magan");
  require_alternating(setting, "magan");
  const Energy energy = parse_energy(options.energy);
  return std::make_unique<Magan>(options, HingeUpdates(gan, energy, setting, options.classes),
                                 setting);
}

}  // namespace valley
