#include "kernels/activations.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>

#include "core/error.h"
#include "kernels/activation_launch.h"
#include "kernels/conv_maps.h"
#include "kernels/dispatch.h"

namespace valley::kernels {
namespace {

void check_map(const at::Tensor& y) {
  VALLEY_CHECK(y.dim() == 4 && y.is_contiguous(kMapLayout));
  VALLEY_CHECK(y.scalar_type() == at::kFloat || y.scalar_type() == at::kBFloat16);
}

std::int64_t rows_of(const at::Tensor& y) { return y.size(0) * y.size(2) * y.size(3); }

template <typename Run>
at::Tensor backward(const at::Tensor& grad, const at::Tensor& y, const at::Tensor& bias_grad,
                    const Run& pass) {
  check_map(y);
  VALLEY_CHECK(grad.sizes() == y.sizes());
  const at::Tensor g = grad.to(y.scalar_type()).contiguous(kMapLayout);
  const at::Tensor out = at::empty_like(y, y.options(), kMapLayout);
  const std::int64_t rows = rows_of(y);
  at::Tensor partial;
  if (bias_grad.defined()) {
    VALLEY_CHECK(is_flat(bias_grad, y.size(1)));
    partial = at::empty({elu_backward_scratch(rows, y.size(1))}, bias_grad.options());
    if (y.numel() == 0) bias_grad.zero_();
  }
  if (y.numel() == 0) return out;
  pass(EluBackward{g.const_data_ptr(), y.const_data_ptr(), out.mutable_data_ptr(), is_bf16(y), rows,
                   y.size(1), bias_grad.defined() ? bias_grad.mutable_data_ptr<float>() : nullptr,
                   partial.defined() ? partial.mutable_data_ptr<float>() : nullptr});
  return out;
}

}  // namespace

void bias_elu_(const at::Tensor& y, const at::Tensor& bias) {
  check_map(y);
  VALLEY_CHECK(bias.is_contiguous() && bias.numel() == y.size(1));
  VALLEY_CHECK(bias.scalar_type() == at::kFloat || bias.scalar_type() == y.scalar_type());
  if (y.numel() == 0) return;
  run(y, BiasElu{y.mutable_data_ptr(), bias.const_data_ptr(), is_bf16(y), is_bf16(bias), rows_of(y),
                 y.size(1)});
}

at::Tensor elu_backward(const at::Tensor& grad, const at::Tensor& y, const at::Tensor& bias_grad) {
  return backward(grad, y, bias_grad, [&](const EluBackward& k) { run(y, k); });
}

at::Tensor leaky_backward(const at::Tensor& grad, const at::Tensor& y, double leak,
                          const at::Tensor& bias_grad) {
  VALLEY_CHECK(y.is_cpu());
  return backward(grad, y, bias_grad, [&](const EluBackward& k) {
    cpu::run(LeakyBackward{k, static_cast<float>(leak)});
  });
}

}  // namespace valley::kernels
