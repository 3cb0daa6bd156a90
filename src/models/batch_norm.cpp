#include "models/batch_norm.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/native_batch_norm.h>
#include <ATen/ops/pow.h>
#include <fmt/core.h>

namespace valley {
namespace {

constexpr double kEpsilon = 1e-5;

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

at::Tensor BatchNorm2d::operator()(const at::Tensor& x) const {
  // A momentum of its own would make the running moments follow the order of microbatches.
  constexpr double kNoMomentum = 0;
  if (!context_->batch_statistics) {
    return std::get<0>(at::native_batch_norm(x, weight_, bias_, running_mean_, running_var_, false,
                                             kNoMomentum, kEpsilon));
  }
  // The moments of the normalization itself: a pass of their own takes longer than the rest.
  const auto [y, mean, inverse_deviation] =
      at::native_batch_norm(x, weight_, bias_, {}, {}, true, kNoMomentum, kEpsilon);
  if (context_->statistics_weight > 0)
    note_moments(mean, inverse_deviation, x.numel() / weight_.numel());
  return y;
}

LayerInfo BatchNorm2d::info(std::int64_t size, const std::string& note) const {
  const std::int64_t features = weight_.numel();
  const std::int64_t numbers = features * size * size;
  return {fmt::format("{} batch norm{}{}", name_, note.empty() ? "" : " ", note),
          fmt::format("[{}, {}, {}]", features, size, size), 2 * features, numbers, 2 * numbers};
}

}  // namespace valley
