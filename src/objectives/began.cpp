#include "objectives/began.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/abs.h>
#include <ATen/ops/clamp.h>
#include <ATen/ops/full.h>
#include <ATen/ops/isfinite.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>

#include "core/error.h"
#include "objectives/energies.h"

namespace valley {
namespace {

constexpr const char* kState = "objective.k";
// Slots of the phases' sums.
constexpr std::int64_t kReal = 0;
constexpr std::int64_t kFake = 1;
constexpr std::int64_t kCount = 2;
constexpr std::int64_t kFakeG = 0;
constexpr std::int64_t kCountG = 1;

class Began : public Objective {
 public:
  Began(const ObjectiveOptions& options, const AutoencoderGan& model,
        const ObjectiveSetting& setting)
      : options_(options),
        model_(model),
        latent_(setting.latent),
        k_(at::zeros({}, at::TensorOptions(setting.device).dtype(at::kDouble))) {}

  [[nodiscard]] std::vector<Stage> stages() const override {
    return {{"adversarial", 0, {{"D", {"discriminator"}}, {"G", {"generator"}}}}};
  }

  [[nodiscard]] std::vector<std::string> traces() const override {
    return {"energy/real", "energy/fake"};
  }

  [[nodiscard]] std::vector<std::string> sums_of(const Phase& phase) const override {
    if (phase.name == "D") return {"energy/real", "energy/fake", "count"};
    return {"energy/fake", "count"};
  }

  void accumulate_gradients(const Phase& phase, const Microbatch& microbatch,
                            const at::Tensor& sums) override {
    phase.name == "D" ? discriminator_gradients(microbatch, sums)
                      : generator_gradients(microbatch, sums);
  }

  void update_controller(const GlobalSums& sums) override {
    const at::Tensor d = sums.at("D").to(at::kDouble);
    const at::Tensor g = sums.at("G").to(at::kDouble);
    real_ = d[kReal] / d[kCount];
    fake_ = d[kFake] / d[kCount];
    fake_g_ = g[kFakeG] / g[kCountG];
    loss_d_ = real_ - k_ * fake_;
    const at::Tensor balance = options_.gamma * real_ - fake_g_;
    const at::Tensor next = at::clamp(k_ + options_.lambda_k * balance, 0, 1);
    k_.copy_(at::where(at::isfinite(next), next, k_));
    convergence_ = real_ + at::abs(balance);
  }

  [[nodiscard]] std::vector<ReportValue> report() const override {
    return {{"loss/D", "", loss_d_},
            {"loss/G", "L(G)", fake_g_},
            {"energy/real", "L(x)", real_},
            {"energy/fake", "", fake_},
            {"k", "k", k_},
            {"M", "M", convergence_}};
  }
  [[nodiscard]] std::optional<at::Tensor> convergence() const override { return convergence_; }

  void save(TensorMap& state) const override { state[kState] = k_; }
  void load(const TensorMap& state, const std::string& where) override {
    k_.copy_(require_tensor(state, kState, {}, where));
  }

 private:
  // The two terms are differentiated one after the other, so that only one graph is alive at a
  // time.
  void discriminator_gradients(const Microbatch& microbatch, const at::Tensor& sums) {
    const double size = static_cast<double>(microbatch.size());
    const Autoencoder& d = model_.discriminator();
    const at::Tensor& x = microbatch.images();
    const at::Tensor reconstruction = d.reconstruct(x);
    const at::Tensor real = mean_l1_energy(x, reconstruction);
    trace(microbatch, "energy/real", x, reconstruction);
    real.backward(at::full({}, microbatch.weight(), real.options()));

    const at::Tensor generated =
        model_.generator().generate(microbatch.latents(RandomStream::kLatentD, latent_));
    const at::Tensor again = d.reconstruct(generated);
    const at::Tensor fake = mean_l1_energy(generated, again);
    trace(microbatch, "energy/fake", generated, again);
    fake.backward((k_ * -microbatch.weight()).to(fake.scalar_type()));

    sums[kReal].add_(real.detach(), size);
    sums[kFake].add_(fake.detach(), size);
    sums[kCount].add_(size);
  }

  // The mean that is trained on comes from a pass of its own, so that reporting changes no bit of
  // it.
  static void trace(const Microbatch& microbatch, const char* name, const at::Tensor& image,
                    const at::Tensor& reconstruction) {
    if (!microbatch.is_traced()) return;
    microbatch.trace(name,
                     sample_energies(Energy::kL1Mean, image.detach(), reconstruction.detach()));
  }

  void generator_gradients(const Microbatch& microbatch, const at::Tensor& sums) {
    const double size = static_cast<double>(microbatch.size());
    const at::Tensor generated =
        model_.generator().generate(microbatch.latents(RandomStream::kLatentG, latent_));
    const at::Tensor energy =
        mean_l1_energy(generated, model_.discriminator().reconstruct(generated));
    energy.backward(at::full({}, microbatch.weight(), energy.options()));
    sums[kFakeG].add_(energy.detach(), size);
    sums[kCountG].add_(size);
  }

  ObjectiveOptions options_;
  const AutoencoderGan& model_;
  LatentDraw latent_;
  at::Tensor k_;  // double [], what k_t multiplies is this step's
  at::Tensor real_, fake_, fake_g_, loss_d_, convergence_;  // double [], of the last step
};

void check(const ObjectiveOptions& o) {
  if (o.gamma <= 0 || o.gamma > 1) {
    throw Error(ExitCode::kConfig, "objective.gamma is {}; BEGAN's diversity ratio lies in (0, 1]",
                o.gamma);
  }
  if (o.lambda_k < 0)
    throw Error(ExitCode::kConfig, "objective.lambda_k is {}; it cannot be negative", o.lambda_k);
}

}  // namespace

std::unique_ptr<Objective> make_began_objective(const ObjectiveOptions& options, const Model& model,
                                                const ObjectiveSetting& setting) {
  check(options);
  const auto* gan = dynamic_cast<const AutoencoderGan*>(&model);
  if (gan == nullptr) {
    throw Error(ExitCode::kConfig,
                "objective.name = \"began\" needs a model with a generator and an autoencoder; "
                "choose model.name = "
                "\"began\"");
  }
  return std::make_unique<Began>(options, *gan, setting);
}

}  // namespace valley
