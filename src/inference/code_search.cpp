#include "inference/code_search.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/zeros_like.h>
#include <fmt/core.h>

#include <cmath>

#include "inference/likely_labels.h"
#include "inference/projection.h"
#include "methods/adversarial/autoencoder_gan.h"

namespace valley {
namespace {

constexpr std::int64_t kSearchSteps = 60;
constexpr double kRelativeRate = 0.2;  // times the root mean square of the initial code
constexpr double kBeta1 = 0.9;
constexpr double kBeta2 = 0.99;
constexpr double kEpsilon = 1e-12;

// Adam on codes [B, ...], with one learning rate per image.
class CodeOptimizer {
 public:
  explicit CodeOptimizer(const at::Tensor& code)
      : first_(at::zeros_like(code)), second_(at::zeros_like(code)) {
    std::vector<std::int64_t> each(static_cast<std::size_t>(code.dim()), 1);
    each[0] = code.size(0);
    rate_ = code.flatten(1).square().mean(1).sqrt().mul(kRelativeRate).view(each);
  }

  void step(const at::Tensor& code, const at::Tensor& gradient) {
    ++steps_;
    first_.mul_(kBeta1).add_(gradient, 1 - kBeta1);
    second_.mul_(kBeta2).addcmul_(gradient, gradient, 1 - kBeta2);
    const at::Tensor mean = first_ / (1 - std::pow(kBeta1, steps_));
    const at::Tensor size = (second_ / (1 - std::pow(kBeta2, steps_))).sqrt().add_(kEpsilon);
    code.sub_(mean.div_(size).mul_(rate_));
  }

 private:
  at::Tensor first_;
  at::Tensor second_;
  at::Tensor rate_;
  double steps_ = 0;
};

class CodeSearch final : public Restorer {
 public:
  CodeSearch(const AutoencoderGan& gan, std::int64_t steps, double weight, at::Device device)
      : gan_(gan), steps_(steps), weight_(weight), device_(device) {}

  [[nodiscard]] at::Tensor restore(const RestoreTask& task) const override {
    const at::NoGradGuard no_grad;
    const bool is_unit = gan_.pixel_range() == PixelRange::kUnit;
    const at::Tensor guess = task.guess.to(device_);
    const at::Tensor damaged = task.damaged.to(device_);
    const at::Tensor target = is_unit ? damaged : damaged * 2 - 1;
    const at::Tensor known = task.unknown.logical_not().to(device_).to(at::kFloat);
    const at::Tensor share = compute_model_share(task, weight_).to(device_);
    const at::Tensor start = is_unit ? guess : guess * 2 - 1;
    const at::Tensor labels = likely_labels(gan_, Energy::kMse, start);
    at::Tensor code = gan_.discriminator().encode(start, labels).clone();
    CodeOptimizer optimizer(code);
    const auto current_images = [&] {
      const at::Tensor decoded =
          to_unit(gan_.discriminator().decode(code, labels), gan_.pixel_range());
      return damaged + (decoded - damaged) * share;
    };
    if (task.watch) task.watch(0, task.start.to(device_));
    for (std::int64_t step = 0; step < steps_; ++step) {
      optimizer.step(code, gradient(code, labels, target, known));
      if (task.watch) task.watch(step + 1, current_images());
    }
    return current_images().to(at::kCPU);
  }
  [[nodiscard]] std::int64_t steps() const override { return steps_; }
  [[nodiscard]] std::string describe() const override {
    return fmt::format("code: {} steps to the code that fits best, weight {:.4g}", steps_, weight_);
  }

 private:
  // Gradient of the squared error over known pixels with respect to the codes.
  [[nodiscard]] at::Tensor gradient(const at::Tensor& code, const at::Tensor& labels,
                                    const at::Tensor& target, const at::Tensor& known) const {
    const at::AutoGradMode with_gradients(true);
    at::Tensor h = code.detach();
    h.set_requires_grad(true);
    const at::Tensor error =
        ((gan_.discriminator().decode(h, labels) - target) * known).square().flatten(1).sum(1);
    error.backward(at::ones_like(error), false, false, at::TensorList(&h, 1));
    return h.grad();
  }

  const AutoencoderGan& gan_;
  std::int64_t steps_;
  double weight_;
  at::Device device_;
};

}  // namespace

std::unique_ptr<Restorer> make_code_search(const AutoencoderGan& gan, const RestoreRequest& request,
                                           at::Device device) {
  return std::make_unique<CodeSearch>(gan, request.chain.steps.value_or(kSearchSteps),
                                      request.weight.value_or(1), device);
}

}  // namespace valley
