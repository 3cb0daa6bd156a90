#include "inference/projection.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <fmt/core.h>

#include "inference/likely_labels.h"
#include "methods/adversarial/autoencoder_gan.h"

namespace valley {
namespace {

constexpr double kAutoencoderRms = 0.13;

class Projection final : public Restorer {
 public:
  Projection(const AutoencoderGan& gan, std::int64_t steps, double weight, at::Device device)
      : gan_(gan), steps_(steps), weight_(weight), device_(device) {}

  [[nodiscard]] at::Tensor restore(const RestoreTask& task) const override {
    const at::NoGradGuard no_grad;
    const at::Tensor damaged = task.damaged.to(device_);
    const at::Tensor share = compute_model_share(task, weight_).to(device_);
    at::Tensor x = task.start.to(device_);
    if (task.watch) task.watch(0, x);
    for (std::int64_t step = 0; step < steps_; ++step) {
      x = damaged + (reconstruction(x) - damaged) * share;
      if (task.watch) task.watch(step + 1, x);
    }
    return x.to(at::kCPU);
  }
  [[nodiscard]] std::int64_t steps() const override { return steps_; }
  [[nodiscard]] std::string describe() const override {
    return fmt::format("project: {} {} through the autoencoder, weight {:.4g}", steps_,
                       steps_ == 1 ? "pass" : "passes", weight_);
  }

 private:
  // D(x), clipped to [0, 1].
  [[nodiscard]] at::Tensor reconstruction(const at::Tensor& x) const {
    const bool is_unit = gan_.pixel_range() == PixelRange::kUnit;
    const at::Tensor images = is_unit ? x : x * 2 - 1;
    const at::Tensor labels = likely_labels(gan_, Energy::kMse, images);
    return to_unit(gan_.discriminator().reconstruct(images, labels), gan_.pixel_range());
  }

  const AutoencoderGan& gan_;
  std::int64_t steps_;
  double weight_;
  at::Device device_;
};

}  // namespace

std::unique_ptr<Restorer> make_projection(const AutoencoderGan& gan, const RestoreRequest& request,
                                          at::Device device) {
  return std::make_unique<Projection>(gan, request.chain.steps.value_or(1),
                                      request.weight.value_or(1), device);
}

at::Tensor compute_model_share(const RestoreTask& task, double weight) {
  const double variance = task.noise * task.noise;
  const double w = variance / (variance + weight * kAutoencoderRms * kAutoencoderRms);
  const at::Tensor unknown = task.unknown.to(at::kFloat);
  return unknown + (1 - unknown) * w;
}

at::Tensor to_unit(const at::Tensor& images, PixelRange range) {
  return (range == PixelRange::kUnit ? images : (images + 1) / 2).clamp(0, 1);
}

}  // namespace valley
