#include "nn/batch_norm.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/native_batch_norm.h>
#include <ATen/ops/pow.h>
#include <fmt/core.h>
#include <torch/csrc/autograd/custom_function.h>

#include <optional>
#include <tuple>

#include "kernels/batch_norm.h"

namespace valley {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

constexpr double kEpsilon = 1e-5;

// Returns y, mean and inverse deviation; only y is differentiable.
class BatchNormFunction : public torch::autograd::Function<BatchNormFunction> {
 public:
  static variable_list forward(AutogradContext* context, const at::Tensor& x,
                               const at::Tensor& weight, const at::Tensor& bias, double leak) {
    const kernels::NormedBatch n = kernels::batch_norm(x, weight, bias, kEpsilon, leak);
    context->save_for_backward({x, weight, bias, n.mean, n.inverse_deviation});
    context->mark_non_differentiable({n.mean, n.inverse_deviation});
    context->saved_data["leak"] = leak;
    return {n.y, n.mean, n.inverse_deviation};
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const variable_list s = context->get_saved_variables();
    const kernels::NormGradients g = kernels::batch_norm_backward(
        gradients[0], s[0], s[1], s[2], s[3], s[4], context->saved_data["leak"].toDouble());
    return {g.x, g.weight, g.bias, at::Tensor()};
  }
};

}  // namespace

BatchNorm2d::BatchNorm2d(ParameterSet& set, const std::string& name, std::int64_t features,
                         std::shared_ptr<const PassContext> context)
    : name_(name),
      context_(std::move(context)),
      weight_(set.add(name + ".weight", {features}, Initializer::constant(1))),
      bias_(set.add(name + ".bias", {features}, Initializer::zero())),
      running_mean_(set.add_buffer(name + ".running_mean", {features}, Initializer::zero(),
                                   Buffer::Kind::kStatistic)),
      running_var_(set.add_buffer(name + ".running_var", {features}, Initializer::constant(1),
                                  Buffer::Kind::kStatistic)) {}

void BatchNorm2d::note_moments(const at::Tensor& mean, const at::Tensor& inverse_deviation,
                               std::int64_t n) const {
  const at::NoGradGuard no_grad;
  const at::Tensor variance = (inverse_deviation.detach().to(at::kDouble).pow(-2) - kEpsilon)
                                  .clamp_min(0)
                                  .mul(static_cast<double>(n) / static_cast<double>(n - 1));
  add_statistic(running_mean_, mean.detach().to(at::kFloat), context_->statistics_weight);
  add_statistic(running_var_, variance.to(at::kFloat), context_->statistics_weight);
}

at::Tensor BatchNorm2d::operator()(const at::Tensor& x, Activation activation) const {
  // LibTorch's momentum would make the running moments depend on the order of microbatches.
  constexpr double kNoMomentum = 0;
  if (!context_->batch_statistics) {
    return activate(std::get<0>(at::native_batch_norm(x, weight_, bias_, running_mean_,
                                                      running_var_, false, kNoMomentum, kEpsilon)),
                    activation);
  }
  at::Tensor y;
  at::Tensor mean;
  at::Tensor inverse_deviation;
  const std::optional<double> leak = leak_factor(activation);
  if (leak && kernels::batch_norm_fits(x)) {
    const variable_list normed = BatchNormFunction::apply(x, weight_, bias_, *leak);
    y = normed[0];
    mean = normed[1];
    inverse_deviation = normed[2];
  } else {
    // Reuses the moments of the normalization, because computing them separately takes longer than
    // the rest.
    std::tie(y, mean, inverse_deviation) =
        at::native_batch_norm(x, weight_, bias_, {}, {}, true, kNoMomentum, kEpsilon);
    y = activate(y, activation);
  }
  if (context_->statistics_weight > 0)
    note_moments(mean, inverse_deviation, x.numel() / weight_.numel());
  return y;
}

LayerInfo BatchNorm2d::info(std::int64_t size, const std::string& note) const {
  const std::int64_t features = weight_.numel();
  const std::int64_t elements = features * size * size;
  return {fmt::format("{} batch norm{}{}", name_, note.empty() ? "" : " ", note),
          fmt::format("[{}, {}, {}]", features, size, size), 2 * features, elements, 2 * elements};
}

}  // namespace valley
