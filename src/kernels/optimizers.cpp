#include "kernels/optimizers.h"

#include <ATen/ops/empty.h>

#include "core/error.h"
#include "kernels/dispatch.h"
#include "kernels/sum_slices.h"

namespace valley::kernels {
namespace {

FlatUpdate pointers_of(const Update& u) {
  const std::int64_t n = u.value.numel();
  VALLEY_CHECK(is_flat(u.value, n) && is_flat(u.gradient, n));
  VALLEY_CHECK(u.rate.scalar_type() == at::kDouble && u.updates.scalar_type() == at::kLong &&
               u.skip.scalar_type() == at::kInt);
  VALLEY_CHECK(!u.shadow.defined() || (u.shadow.scalar_type() == at::kBFloat16 &&
                                       u.shadow.is_contiguous() && u.shadow.numel() == n));
  return {u.value.mutable_data_ptr<float>(),
          u.gradient.mutable_data_ptr<float>(),
          n,
          u.rate.const_data_ptr<double>(),
          u.updates.const_data_ptr<std::int64_t>(),
          u.skip.const_data_ptr<std::int32_t>(),
          u.shadow.defined() ? static_cast<std::uint16_t*>(u.shadow.mutable_data_ptr()) : nullptr,
          u.clear_gradient};
}

float* moment(const at::Tensor& t, const FlatUpdate& update) {
  VALLEY_CHECK(is_flat(t, update.n));
  return t.mutable_data_ptr<float>();
}

}  // namespace

void adam(const Update& update, const at::Tensor& first, const at::Tensor& second,
          const AdamSettings& settings) {
  const FlatUpdate u = pointers_of(update);
  run(update.value, Adam{u, moment(first, u), moment(second, u), settings.beta1, settings.beta2,
                         settings.epsilon, settings.bias_correction});
}

void adamax(const Update& update, const at::Tensor& first, const at::Tensor& second,
            const AdamaxSettings& settings) {
  const FlatUpdate u = pointers_of(update);
  run(update.value, Adamax{u, moment(first, u), moment(second, u), settings.beta1, settings.beta2,
                           settings.epsilon, settings.bias_correction});
}

void sgd(const Update& update, const at::Tensor& velocity, const SgdSettings& settings) {
  VALLEY_CHECK(velocity.defined() || settings.momentum == 0);
  const FlatUpdate u = pointers_of(update);
  run(update.value, Sgd{u, velocity.defined() ? moment(velocity, u) : nullptr, settings.momentum});
}

void clip_by_norm(const at::Tensor& gradient, double max_norm, const at::Tensor& norm) {
  const std::int64_t n = gradient.numel();
  VALLEY_CHECK(is_flat(gradient, n) && is_flat(norm, 1) && max_norm > 0);
  const at::Tensor partial = at::empty({slices_of_sum(n)}, gradient.options().dtype(at::kDouble));
  run(gradient, ClipByNorm{gradient.mutable_data_ptr<float>(), n, max_norm,
                           partial.mutable_data_ptr<double>(), norm.mutable_data_ptr<float>()});
}

void decay_weights(const at::Tensor& value, const at::Tensor& chosen, std::int64_t block,
                   const at::Tensor& rate, double decay, const at::Tensor& skip) {
  const std::int64_t n = value.numel();
  VALLEY_CHECK(is_flat(value, n) && chosen.scalar_type() == at::kByte && chosen.is_contiguous() &&
               chosen.numel() == (n + block - 1) / block);
  VALLEY_CHECK(rate.scalar_type() == at::kDouble && skip.scalar_type() == at::kInt);
  run(value,
      DecayWeights{value.mutable_data_ptr<float>(), n, chosen.const_data_ptr<std::uint8_t>(), block,
                   rate.const_data_ptr<double>(), decay, skip.const_data_ptr<std::int32_t>()});
}

void moving_average(const at::Tensor& average, const at::Tensor& value, double decay,
                    const at::Tensor& skip) {
  VALLEY_CHECK(is_flat(average, average.numel()) && is_flat(value, average.numel()));
  VALLEY_CHECK(skip.scalar_type() == at::kInt);
  run(average, MovingAverage{average.mutable_data_ptr<float>(), value.const_data_ptr<float>(),
                             average.numel(), static_cast<float>(1.0 - decay),
                             skip.const_data_ptr<std::int32_t>()});
}

}  // namespace valley::kernels
