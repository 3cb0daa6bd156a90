#include "kernels/batch_norm.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>

#include "core/error.h"
#include "kernels/batch_norm_launch.h"
#include "kernels/conv_maps.h"
#include "kernels/dispatch.h"

namespace valley::kernels {
namespace {

cpu::NormShape norm_shape(const at::Tensor& x) {
  return {x.size(0) * x.size(2) * x.size(3), x.size(1), is_bf16(x)};
}

at::Tensor norm_scratch(const cpu::NormShape& shape, const at::TensorOptions& floats) {
  return at::empty({cpu::norm_slices(shape), 2, shape.channels}, floats);
}

}  // namespace

bool batch_norm_fits(const at::Tensor& x) { return is_map(x) && x.numel() > 0; }

NormedBatch batch_norm(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                       double epsilon, double leak) {
  VALLEY_CHECK(batch_norm_fits(x) && is_flat(weight, x.size(1)) && is_flat(bias, x.size(1)));
  const cpu::NormShape shape = norm_shape(x);
  const at::Tensor scratch = norm_scratch(shape, weight.options());
  NormedBatch out{at::empty_like(x, x.options(), kMapLayout), at::empty_like(weight),
                  at::empty_like(weight)};
  cpu::run(cpu::BatchNorm{x.const_data_ptr(), weight.const_data_ptr<float>(),
                          bias.const_data_ptr<float>(), out.mean.mutable_data_ptr<float>(),
                          out.inverse_deviation.mutable_data_ptr<float>(), epsilon,
                          static_cast<float>(leak), out.y.mutable_data_ptr(),
                          scratch.mutable_data_ptr<float>(), shape});
  return out;
}

NormGradients batch_norm_backward(const at::Tensor& gradient, const at::Tensor& x,
                                  const at::Tensor& weight, const at::Tensor& bias,
                                  const at::Tensor& mean, const at::Tensor& inverse_deviation,
                                  double leak) {
  VALLEY_CHECK(batch_norm_fits(x) && gradient.sizes() == x.sizes());
  for (const at::Tensor& t : {weight, bias, mean, inverse_deviation})
    VALLEY_CHECK(is_flat(t, x.size(1)));
  const at::Tensor g = gradient.to(x.scalar_type()).contiguous(kMapLayout);
  const cpu::NormShape shape = norm_shape(x);
  const at::Tensor scratch = norm_scratch(shape, weight.options());
  NormGradients out{at::empty_like(x, x.options(), kMapLayout), at::empty_like(weight),
                    at::empty_like(weight)};
  cpu::run(cpu::BatchNormBackward{
      g.const_data_ptr(), x.const_data_ptr(), weight.const_data_ptr<float>(),
      bias.const_data_ptr<float>(), mean.const_data_ptr<float>(),
      inverse_deviation.const_data_ptr<float>(), static_cast<float>(leak), out.x.mutable_data_ptr(),
      out.weight.mutable_data_ptr<float>(), out.bias.mutable_data_ptr<float>(),
      scratch.mutable_data_ptr<float>(), shape});
  return out;
}

}  // namespace valley::kernels
