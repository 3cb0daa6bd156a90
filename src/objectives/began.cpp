#include "objectives/began.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/abs.h>
#include <ATen/ops/clamp.h>
#include <ATen/ops/full.h>
#include <ATen/ops/isfinite.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>
#include <torch/csrc/autograd/autograd.h>

#include "core/error.h"
#include "objectives/energies.h"
#include "objectives/requirements.h"

namespace valley {
namespace {

constexpr const char* kState = "objective.k";
constexpr const char* kBoth = "D and G";  // the phase of the shared schedule
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
        shared_(setting.schedule == "shared"),
        k_(at::zeros({}, at::TensorOptions(setting.device).dtype(at::kDouble))) {}

  [[nodiscard]] std::vector<Stage> stages() const override {
    if (shared_) return {{"adversarial", 0, {{kBoth, {"discriminator", "generator"}}}}};
    return {{"adversarial", 0, {{"D", {"discriminator"}}, {"G", {"generator"}}}}};
  }

  [[nodiscard]] std::vector<std::string> traces() const override {
    return {"energy/real", "energy/fake"};
  }

  [[nodiscard]] std::vector<std::string> sums_of(const Phase& phase) const override {
    if (phase.name == "G") return {"energy/fake", "count"};
    return {"energy/real", "energy/fake", "count"};
  }

  void accumulate_gradients(const Phase& phase, const Microbatch& microbatch,
                            const at::Tensor& sums) override {
    if (phase.name == kBoth) shared_gradients(microbatch, sums);
    if (phase.name == "D") discriminator_gradients(microbatch, sums);
    if (phase.name == "G") generator_gradients(microbatch, sums);
  }

  void update_controller(const GlobalSums& sums) override {
    const at::Tensor d = sums.at(shared_ ? kBoth : "D").to(at::kDouble);
    real_ = d[kReal] / d[kCount];
    fake_ = d[kFake] / d[kCount];
    fake_g_ = shared_ ? fake_ : generator_energy(sums.at("G").to(at::kDouble));
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
  [[nodiscard]] static at::Tensor generator_energy(const at::Tensor& g) {
    return g[kFakeG] / g[kCountG];
  }

  // The two terms are differentiated one after the other, so that only one graph is alive at a
  // time.
  void discriminator_gradients(const Microbatch& microbatch, const at::Tensor& sums) {
    const at::Tensor real = real_energy(microbatch);
    real.backward(at::full({}, microbatch.weight(), real.options()));
    const at::Tensor fake = fake_energy(microbatch);
    fake.backward((k_ * -microbatch.weight()).to(fake.scalar_type()));
    add(microbatch, real, fake, sums);
  }

  // One pass over the generated images serves both networks: what it gives for D counts -k times,
  // what it gives for G once. (A single backward pass of L_D + L_G would count it 1 - k times for
  // D.)
  void shared_gradients(const Microbatch& microbatch, const at::Tensor& sums) {
    const at::Tensor real = real_energy(microbatch);
    real.backward(at::full({}, microbatch.weight(), real.options()));
    const at::Tensor fake = fake_energy(microbatch);
    const std::vector<at::Tensor> of_d = values_of(model_.discriminator());
    std::vector<at::Tensor> all = of_d;
    for (const at::Tensor& value : values_of(model_.generator())) all.push_back(value);
    const std::vector<at::Tensor> gradients =
        torch::autograd::grad({fake}, all, {at::full({}, microbatch.weight(), fake.options())});
    const at::Tensor share = -k_.to(fake.scalar_type());
    for (std::size_t i = 0; i < all.size(); ++i)
      all[i].mutable_grad().add_(i < of_d.size() ? gradients[i] * share : gradients[i]);
    add(microbatch, real, fake, sums);
  }

  static std::vector<at::Tensor> values_of(const Network& network) {
    std::vector<at::Tensor> values;
    for (const Parameter& p : network.parameters().all()) values.push_back(p.value);
    return values;
  }

  [[nodiscard]] at::Tensor real_energy(const Microbatch& microbatch) const {
    const at::Tensor& x = microbatch.images();
    const at::Tensor reconstruction = model_.discriminator().reconstruct(x);
    trace(microbatch, "energy/real", x, reconstruction);
    return mean_l1_energy(x, reconstruction);
  }

  [[nodiscard]] at::Tensor fake_energy(const Microbatch& microbatch) const {
    const at::Tensor generated =
        model_.generator().generate(microbatch.latents(RandomStream::kLatentD, latent_));
    const at::Tensor again = model_.discriminator().reconstruct(generated);
    trace(microbatch, "energy/fake", generated, again);
    return mean_l1_energy(generated, again);
  }

  static void add(const Microbatch& microbatch, const at::Tensor& real, const at::Tensor& fake,
                  const at::Tensor& sums) {
    const auto size = static_cast<double>(microbatch.size());
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
  bool shared_;
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
  if (o.energy != "l1_mean") {
    throw Error(
        ExitCode::kConfig,
        "objective.energy is \"{}\"; BEGAN steers k by means over pixels, and an energy that "
        "is summed over them would drive k to 0 or 1 at once: set objective.energy = "
        "\"l1_mean\"",
        o.energy);
  }
  refuse_margins(o, "has k in its place");
}

}  // namespace

std::unique_ptr<Objective> make_began_objective(const ObjectiveOptions& options, const Model& model,
                                                const ObjectiveSetting& setting) {
  check(options);
  const AutoencoderGan& gan = require_autoencoder_gan(model, options);
  return std::make_unique<Began>(options, gan, setting);
}

}  // namespace valley
