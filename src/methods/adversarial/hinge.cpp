#include "methods/adversarial/hinge.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/full.h>
#include <ATen/ops/relu.h>

#include "methods/metric_names.h"

namespace valley {

std::vector<std::string> real_sums::names() { return {metric::kRealEnergy, "count"}; }
std::vector<std::string> discriminator_sums::names() {
  return {
      metric::kRealEnergy, metric::kFakeEnergy, "hinge", metric::kActiveHinge, "count", "signs"};
}
std::vector<std::string> generator_sums::names() {
  return {metric::kFakeEnergy, "pulling_away", "count"};
}

namespace {

// Backward pass of `loss` [], the mean over a microbatch, weighted by its share of the global mean.
void differentiate(const at::Tensor& loss, const Microbatch& microbatch) {
  loss.backward(at::full({}, microbatch.weight(), loss.options()));
}

}  // namespace

at::Tensor HingeUpdates::real_images(const Microbatch& microbatch) const {
  return augmentation_(microbatch.images(), microbatch, RandomStream::kAugmentReal);
}

at::Tensor HingeUpdates::real_energies(const Microbatch& microbatch, const at::Tensor& x) const {
  at::Tensor energies =
      sample_energies(energy_, x, model_.discriminator().reconstruct(x, labels_.real(microbatch)));
  microbatch.record_metric(metric::kRealEnergy, energies);
  return energies;
}

void HingeUpdates::measure(const Microbatch& microbatch, const at::Tensor& sums) const {
  const at::NoGradGuard no_grad;
  sums[real_sums::kReal].add_(real_energies(microbatch, real_images(microbatch)).sum());
  sums[real_sums::kCount].add_(static_cast<double>(microbatch.size()));
}

void HingeUpdates::reals(const Microbatch& microbatch, const at::Tensor& sums) const {
  const at::Tensor energies = real_energies(microbatch, real_images(microbatch));
  differentiate(energies.mean(), microbatch);
  sums[real_sums::kReal].add_(energies.detach().sum());
  sums[real_sums::kCount].add_(static_cast<double>(microbatch.size()));
}

void HingeUpdates::discriminator(const Microbatch& microbatch, const at::Tensor& margin,
                                 const at::Tensor& sums) const {
  using namespace discriminator_sums;
  const at::Tensor x = real_images(microbatch);
  const at::Tensor real = real_energies(microbatch, x);
  differentiate(real.mean(), microbatch);
  sums[kReal].add_(real.detach().sum());
  if (augmentation_.is_adaptive()) sums[kSigns].add_(augmentation_.signs(real.detach()));

  const at::Tensor generated = augmentation_(generated_.of(microbatch, RandomStream::kLatentD),
                                             microbatch, RandomStream::kAugmentD);
  const at::Tensor y = generated_.labels(microbatch, RandomStream::kLatentD);
  const at::Tensor fake =
      sample_energies(energy_, generated, model_.discriminator().reconstruct(generated, y));
  microbatch.record_metric(metric::kFakeEnergy, fake);
  const at::Tensor hinges = at::relu(margin.to(fake.scalar_type()) - fake);
  differentiate(hinges.mean(), microbatch);
  sums[kFake].add_(fake.detach().sum());
  sums[kHinge].add_(hinges.detach().sum());
  sums[kActive].add_((hinges.detach() > 0).sum());
  sums[kCount].add_(static_cast<double>(microbatch.size()));
  if (labels_.mismatch_weight() > 0) mismatched(microbatch, x, margin, sums);
}

void HingeUpdates::mismatched(const Microbatch& microbatch, const at::Tensor& x,
                              const at::Tensor& margin, const at::Tensor& sums) const {
  const at::Tensor energies = sample_energies(
      energy_, x, model_.discriminator().reconstruct(x, labels_.mismatched(microbatch)));
  const at::Tensor hinges = at::relu(margin.to(energies.scalar_type()) - energies);
  differentiate(labels_.mismatch_weight() * hinges.mean(), microbatch);
  sums[mismatch_sums::kEnergy].add_(energies.detach().sum());
  sums[mismatch_sums::kHinge].add_(hinges.detach().sum());
}

std::vector<std::string> HingeUpdates::discriminator_names() const {
  std::vector<std::string> names = discriminator_sums::names();
  if (labels_.mismatch_weight() > 0)
    names.insert(names.end(), {metric::kMismatchEnergy, "mismatch_hinge"});
  return names;
}

at::Tensor HingeUpdates::with_mismatch(const at::Tensor& loss, const at::Tensor& means) const {
  if (labels_.mismatch_weight() == 0) return loss;
  return loss + labels_.mismatch_weight() * means[mismatch_sums::kHinge];
}

void HingeUpdates::report_mismatch(const at::Tensor& means,
                                   std::vector<ReportValue>& report) const {
  if (labels_.mismatch_weight() > 0)
    report.push_back({metric::kMismatchEnergy, "D(x, y')", means[mismatch_sums::kEnergy]});
}

void HingeUpdates::adapt(const at::Tensor& means) const {
  using namespace discriminator_sums;
  if (!augmentation_.is_adaptive()) return;
  augmentation_.adapt(means[kSigns], means[kReal], means[kFake]);
}

void HingeUpdates::prefetch_generator(Microbatch& microbatch) const {
  generated_.prefetch(microbatch, RandomStream::kLatentG);
}

void HingeUpdates::generator(const Microbatch& microbatch, PullingAway kind, double weight,
                             const at::Tensor& sums) const {
  using namespace generator_sums;
  const Autoencoder& d = model_.discriminator();
  const auto size = static_cast<double>(microbatch.size());
  const at::Tensor generated = augmentation_(generated_.of(microbatch, RandomStream::kLatentG),
                                             microbatch, RandomStream::kAugmentG);
  const at::Tensor y = generated_.labels(microbatch, RandomStream::kLatentG);
  const at::Tensor codes = d.encode(generated, y);
  const at::Tensor energies = sample_energies(energy_, generated, d.decode(codes, y));
  at::Tensor loss = energies.mean();
  if (kind != PullingAway::kNone) {
    const at::Tensor term = pulling_away(kind, codes);
    loss = loss + weight * term;
    sums[kPullingAway].add_(term.detach(), size);
  }
  differentiate(loss, microbatch);
  sums[kFake].add_(energies.detach().sum());
  sums[kCount].add_(size);
}

}  // namespace valley
