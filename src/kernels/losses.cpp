#include "kernels/losses.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>

#include "core/error.h"
#include "kernels/dispatch.h"
#include "kernels/loss_launch.h"
#include "kernels/sum_slices.h"

namespace valley::kernels {
namespace {

void check_pair(const at::Tensor& a, const at::Tensor& b) {
  VALLEY_CHECK(a.scalar_type() == at::kFloat && b.scalar_type() == at::kFloat);
  VALLEY_CHECK(a.sizes() == b.sizes() && a.device() == b.device() && a.numel() > 0);
}

at::Tensor dense(const at::Tensor& t) {
  return t.is_non_overlapping_and_dense() ? t : t.contiguous();
}

at::Tensor in_order_of(const at::Tensor& model, const at::Tensor& t) {
  return t.strides() == model.strides() ? t : at::empty_like(model).copy_(t);
}

}  // namespace

at::Tensor l1_mean(const at::Tensor& a, const at::Tensor& b) {
  check_pair(a, b);
  const at::Tensor first = dense(a.detach());
  const at::Tensor second = in_order_of(first, b.detach());
  const std::int64_t n = a.numel();
  const at::Tensor partial = at::empty({slices_of_sum(n)}, first.options().dtype(at::kDouble));
  const at::Tensor mean = at::empty({}, first.options());
  run(first, L1Mean{first.const_data_ptr<float>(), second.const_data_ptr<float>(), n,
                    partial.mutable_data_ptr<double>(), mean.mutable_data_ptr<float>()});
  return mean;
}

L1GradientPair l1_gradients(const at::Tensor& a, const at::Tensor& b, const at::Tensor& upstream,
                            Wanted wanted) {
  check_pair(a, b);
  VALLEY_CHECK(upstream.scalar_type() == at::kFloat && upstream.numel() == 1);
  const at::Tensor first = dense(a.detach());
  const at::Tensor second = in_order_of(first, b.detach());
  const L1GradientPair out{wanted.a ? at::empty_like(first) : at::Tensor(),
                           wanted.b ? at::empty_like(first) : at::Tensor()};
  run(first, L1Gradients{first.const_data_ptr<float>(), second.const_data_ptr<float>(), a.numel(),
                         upstream.const_data_ptr<float>(),
                         wanted.a ? out.a.mutable_data_ptr<float>() : nullptr,
                         wanted.b ? out.b.mutable_data_ptr<float>() : nullptr});
  return out;
}

at::Tensor began_controller(const at::Tensor& discriminator, const at::Tensor& generator,
                            const at::Tensor& k, double gamma, double lambda) {
  VALLEY_CHECK(is_flat(discriminator, discriminator.numel()) && discriminator.numel() >= 3);
  VALLEY_CHECK(!generator.defined() ||
               (is_flat(generator, generator.numel()) && generator.numel() >= 2));
  VALLEY_CHECK(k.scalar_type() == at::kDouble && k.numel() == 1);
  const at::Tensor values = at::empty({5}, k.options());
  run(k, BeganController{discriminator.const_data_ptr<float>(),
                         generator.defined() ? generator.const_data_ptr<float>() : nullptr,
                         k.mutable_data_ptr<double>(), gamma, lambda,
                         values.mutable_data_ptr<double>()});
  return values;
}

}  // namespace valley::kernels
