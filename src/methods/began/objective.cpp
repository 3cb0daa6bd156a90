#include "methods/began/objective.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/full.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/zeros.h>

#include <vector>

#include "core/error.h"
#include "kernels/losses.h"
#include "methods/adversarial/augmentation.h"
#include "methods/adversarial/energies.h"
#include "methods/adversarial/generated.h"
#include "methods/adversarial/gradient_factor.h"
#include "methods/adversarial/phases.h"
#include "methods/adversarial/requirements.h"
#include "methods/metric_names.h"

namespace valley {
namespace {

constexpr const char* kState = "objective.k";
// Margin of mismatched pairs (classes.h): the RMSE of EBGAN's published margins, for images in [-1,
// 1]. A multiple of L(x, y) instead diverges: the term raises L(x, y), and with it k and itself.
constexpr double kMismatchMargin = 0.18;
// Slots of the sums of D's phase and of the shared phase, then of G's phase.
namespace began_sums {
constexpr std::int64_t kReal = 0, kFake = 1, kCount = 2;
constexpr std::int64_t kMismatch = 3, kMismatchHinge = 4;  // if mismatched pairs have a weight
constexpr std::int64_t kFakeG = 0, kCountG = 1;
}  // namespace began_sums

class Began : public Objective {
 public:
  Began(const BeganOptions& options, const AutoencoderGan& model, const ObjectiveSetting& setting)
      : options_(options),
        model_(model),
        labels_(model, options.classes),
        generated_(model, setting.latent, labels_),
        augmentation_(model, setting),
        mismatch_margin_(model.pixel_range() == PixelRange::kUnit ? kMismatchMargin / 2
                                                                  : kMismatchMargin),
        shared_(setting.schedule == UpdateSchedule::kShared),
        share_(model.discriminator()),
        k_(at::zeros({}, at::TensorOptions(setting.device).dtype(at::kDouble))) {}

  [[nodiscard]] std::vector<Stage> stages() const override {
    if (shared_) return {{"adversarial", 0, {{phases::kBoth, {"discriminator", "generator"}}}}};
    return {phases::alternating_stage()};
  }

  [[nodiscard]] bool is_graph_capturable() const override { return true; }
  [[nodiscard]] std::vector<std::string> sample_metrics() const override {
    return {metric::kRealEnergy, metric::kFakeEnergy};
  }

  [[nodiscard]] std::vector<std::string> sums_of(const Phase& phase) const override {
    if (phase.name == phases::kGenerator) return {metric::kFakeEnergy, "count"};
    std::vector<std::string> names = {metric::kRealEnergy, metric::kFakeEnergy, "count"};
    if (labels_.mismatch_weight() > 0)
      names.insert(names.end(), {metric::kMismatchEnergy, "mismatch_hinge"});
    return names;
  }

  void accumulate_gradients(const Phase& phase, const Microbatch& microbatch,
                            const at::Tensor& sums) override {
    if (phase.name == phases::kBoth) shared_gradients(microbatch, sums);
    if (phase.name == phases::kDiscriminator) discriminator_gradients(microbatch, sums);
    if (phase.name == phases::kGenerator) generator_gradients(microbatch, sums);
  }
  void prefetch(const Phase& phase, Microbatch& microbatch) const override {
    if (phase.name == phases::kGenerator) generated_.prefetch(microbatch, RandomStream::kLatentG);
  }

  void update_controller(const GlobalSums& sums) override {
    const at::Tensor values =
        kernels::began_controller(sums.at(shared_ ? phases::kBoth : phases::kDiscriminator),
                                  shared_ ? at::Tensor() : sums.at(phases::kGenerator), k_,
                                  options_.gamma, options_.lambda_k);
    real_ = values[0];
    fake_ = values[1];
    fake_g_ = values[2];
    loss_d_ = values[3];
    convergence_ = values[4];
    if (labels_.mismatch_weight() > 0)
      report_mismatch(sums.at(shared_ ? phases::kBoth : phases::kDiscriminator).to(at::kDouble));
  }

  [[nodiscard]] std::vector<ReportValue> report() const override {
    std::vector<ReportValue> report = {{"loss/D", "", loss_d_},
                                       {"loss/G", "L(G)", fake_g_},
                                       {metric::kRealEnergy, "L(x)", real_},
                                       {metric::kFakeEnergy, "", fake_},
                                       {metric::kControl, "k", k_},
                                       {metric::kConvergence, "M", convergence_}};
    if (mismatch_.defined()) report.push_back({metric::kMismatchEnergy, "L(x, y')", mismatch_});
    augmentation_.add_report(report);
    return report;
  }
  [[nodiscard]] std::optional<at::Tensor> convergence() const override { return convergence_; }

  void save(TensorMap& state) const override { state[kState] = k_; }
  void load(const TensorMap& state, const std::string& where) override {
    k_.copy_(require_tensor(state, kState, {}, where));
  }

 private:
  // Separate backward passes for the two terms, so that only one graph is in memory at a time.
  void discriminator_gradients(const Microbatch& microbatch, const at::Tensor& sums) {
    const at::Tensor real = real_gradients(microbatch, sums);
    const at::Tensor fake = fake_energy(microbatch);
    fake.backward((k_ * -microbatch.weight()).to(fake.scalar_type()));
    add(microbatch, real, fake, sums);
  }

  // One backward pass over the generated images serves both networks: D's gradients are multiplied
  // by -k, G's by 1. (A backward pass of L_D + L_G would multiply D's by 1 - k.)
  void shared_gradients(const Microbatch& microbatch, const at::Tensor& sums) {
    const at::Tensor real = real_gradients(microbatch, sums);
    const at::Tensor fake = fake_energy(microbatch);
    {
      const GradientFactor::Scope share = share_.apply(-k_.to(fake.scalar_type()));
      fake.backward(at::full({}, microbatch.weight(), fake.options()));
    }
    add(microbatch, real, fake, sums);
  }

  // Gradients of the term L(x), and of mismatched pairs after it; returns L(x).
  [[nodiscard]] at::Tensor real_gradients(const Microbatch& microbatch,
                                          const at::Tensor& sums) const {
    const at::Tensor x = augmentation_(microbatch.images(), microbatch, RandomStream::kAugmentReal);
    const at::Tensor real = real_energy(microbatch, x);
    real.backward(at::full({}, microbatch.weight(), real.options()));
    if (labels_.mismatch_weight() > 0) mismatched(microbatch, x, sums);
    return real.detach();
  }

  // `x`: the augmented real images.
  [[nodiscard]] at::Tensor real_energy(const Microbatch& microbatch, const at::Tensor& x) const {
    const at::Tensor reconstruction =
        model_.discriminator().reconstruct(x, labels_.real(microbatch));
    record_energies(microbatch, metric::kRealEnergy, x, reconstruction);
    return mean_l1_energy(x, reconstruction);
  }

  // The term of real images with a wrong class.
  void mismatched(const Microbatch& microbatch, const at::Tensor& x, const at::Tensor& sums) const {
    const at::Tensor energies = sample_energies(
        Energy::kL1Mean, x, model_.discriminator().reconstruct(x, labels_.mismatched(microbatch)));
    const at::Tensor hinges = at::relu(mismatch_margin_ - energies);
    const at::Tensor loss = labels_.mismatch_weight() * hinges.mean();
    loss.backward(at::full({}, microbatch.weight(), loss.options()));
    sums[began_sums::kMismatch].add_(energies.detach().sum());
    sums[began_sums::kMismatchHinge].add_(hinges.detach().sum());
  }

  // Adds the term to the loss of D, `loss_d_`.
  void report_mismatch(const at::Tensor& sums) {
    const at::Tensor means = sums / sums[began_sums::kCount];
    mismatch_ = means[began_sums::kMismatch];
    loss_d_ = loss_d_ + labels_.mismatch_weight() * means[began_sums::kMismatchHinge];
  }

  [[nodiscard]] at::Tensor fake_energy(const Microbatch& microbatch) const {
    const at::Tensor generated = augmentation_(generated_.of(microbatch, RandomStream::kLatentD),
                                               microbatch, RandomStream::kAugmentD);
    const at::Tensor again = model_.discriminator().reconstruct(
        generated, generated_.labels(microbatch, RandomStream::kLatentD));
    record_energies(microbatch, metric::kFakeEnergy, generated, again);
    return mean_l1_energy(generated, again);
  }

  static void add(const Microbatch& microbatch, const at::Tensor& real, const at::Tensor& fake,
                  const at::Tensor& sums) {
    const auto size = static_cast<double>(microbatch.size());
    sums[began_sums::kReal].add_(real.detach(), size);
    sums[began_sums::kFake].add_(fake.detach(), size);
    sums[began_sums::kCount].add_(size);
  }

  // Computed separately from the loss, so that the loss is bitwise equal with and without reports.
  static void record_energies(const Microbatch& microbatch, const char* name,
                              const at::Tensor& image, const at::Tensor& reconstruction) {
    if (!microbatch.wants_metrics()) return;
    microbatch.record_metric(
        name, sample_energies(Energy::kL1Mean, image.detach(), reconstruction.detach()));
  }

  void generator_gradients(const Microbatch& microbatch, const at::Tensor& sums) {
    const double size = static_cast<double>(microbatch.size());
    const at::Tensor generated = augmentation_(generated_.of(microbatch, RandomStream::kLatentG),
                                               microbatch, RandomStream::kAugmentG);
    const at::Tensor y = generated_.labels(microbatch, RandomStream::kLatentG);
    const at::Tensor energy =
        mean_l1_energy(generated, model_.discriminator().reconstruct(generated, y));
    energy.backward(at::full({}, microbatch.weight(), energy.options()));
    sums[began_sums::kFakeG].add_(energy.detach(), size);
    sums[began_sums::kCountG].add_(size);
  }

  BeganOptions options_;
  const AutoencoderGan& model_;
  ClassLabels labels_;
  GeneratedImages generated_;
  Augmentation augmentation_;
  double mismatch_margin_;
  bool shared_;
  GradientFactor share_;  // factor -k for the gradients of generated images in D
  at::Tensor k_;          // double [], k_t of this step
  at::Tensor real_, fake_, fake_g_, loss_d_, convergence_;  // double [], of the last step
  at::Tensor mismatch_;  // the same; undefined without mismatched pairs
};

void check_began_options(const BeganOptions& o, const AugmentOptions& augment) {
  if (augment.is_adaptive()) {
    throw Error(ExitCode::kConfig,
                "augment.strength is \"auto\", which compares the energies of real and generated "
                "images, and k keeps their ratio constant: set augment.strength to a number from 0 "
                "to 1");
  }
  if (o.gamma <= 0 || o.gamma > 1) {
    throw Error(ExitCode::kConfig, "objective.gamma is {}; it must be above 0 and at most 1",
                o.gamma);
  }
  if (o.lambda_k < 0)
    throw Error(ExitCode::kConfig, "objective.lambda_k is {}; it must be 0 or more", o.lambda_k);
  if (o.energy != "l1_mean") {
    throw Error(ExitCode::kConfig,
                "objective.energy is \"{}\"; BEGAN controls k with means over pixels, and k would "
                "saturate at 0 or 1 with sums over pixels: set objective.energy = \"l1_mean\"",
                o.energy);
  }
}

}  // namespace

std::unique_ptr<Objective> make_began_objective(const BeganOptions& options, const Model& model,
                                                const ObjectiveSetting& setting) {
  check_began_options(options, setting.augment);
  const AutoencoderGan& gan = require_autoencoder_gan(model, "began");
  return std::make_unique<Began>(options, gan, setting);
}

}  // namespace valley
