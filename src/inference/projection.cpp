#include "inference/projection.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>

#include "core/error.h"

namespace valley {
namespace {

constexpr std::int64_t kSteps = 50;
constexpr std::int64_t kMostSteps = 1'000'000;
constexpr double kError = 0.1;

class Projection final : public Restorer {
 public:
  Projection(const AutoencoderGan& gan, std::int64_t steps, double weight, at::Device device)
      : gan_(gan), steps_(steps), weight_(weight), device_(device) {}

  [[nodiscard]] at::Tensor restore(const RestoreTask& task) const override {
    const at::NoGradGuard no_grad;
    const double variance = task.noise * task.noise;
    const double w = variance / (variance + weight_ * kError * kError);
    const at::Tensor damaged = task.damaged.to(device_);
    // The share of D(x) in each pixel: 1 where it is unknown.
    const at::Tensor unknown = task.unknown.to(device_).to(at::kFloat);
    const at::Tensor share = unknown + (1 - unknown) * w;
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
    return fmt::format("project: {} passes through the autoencoder, weight {:.4g}", steps_,
                       weight_);
  }

 private:
  // D(x), clipped to [0, 1].
  [[nodiscard]] at::Tensor reconstruction(const at::Tensor& x) const {
    const bool is_unit = gan_.pixel_range() == PixelRange::kUnit;
    const at::Tensor out = gan_.discriminator().reconstruct(is_unit ? x : x * 2 - 1);
    return (is_unit ? out : (out + 1) / 2).clamp(0, 1);
  }

  const AutoencoderGan& gan_;
  std::int64_t steps_;
  double weight_;
  at::Device device_;
};

}  // namespace

std::unique_ptr<Restorer> make_projection(const AutoencoderGan& gan, const RestoreRequest& request,
                                          at::Device device) {
  const ChainRequest& chain = request.chain;
  if (chain.step_size || chain.noise || chain.clamp)
    throw Error(ExitCode::kUsage,
                "--step-size, --chain-noise and --clamp are for chains: --method project has none");
  const std::int64_t steps = chain.steps.value_or(kSteps);
  if (steps < 1 || steps > kMostSteps)
    throw Error(ExitCode::kUsage, "--steps {}: it takes from 1 to {}", steps, kMostSteps);
  return std::make_unique<Projection>(gan, steps, request.weight.value_or(1), device);
}

}  // namespace valley
