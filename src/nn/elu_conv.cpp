#include "nn/elu_conv.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/conv_transpose2d.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/flip.h>
#include <torch/csrc/autograd/custom_function.h>

#include <optional>
#include <tuple>
#include <utility>

#include "core/error.h"
#include "kernels/activations.h"
#include "kernels/conv_maps.h"
#include "kernels/narrow_conv.h"
#include "kernels/product_type.h"
#include "kernels/winograd.h"
#include "nn/conv_gradients.h"

namespace valley {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// The convolution by LibTorch.
struct Direct {
  explicit Direct(const EluConvShape& shape)
      : stride(shape.upsamples ? 2 : shape.stride), transposed(shape.upsamples) {}
  std::int64_t stride;
  bool transposed;

  [[nodiscard]] at::Tensor weight(const at::Tensor& weight, const at::Tensor& kept,
                                  at::ScalarType type) const {
    if (kept.defined() && kept.scalar_type() == type) return kept.contiguous(kernels::kMapLayout);
    return (transposed ? fold_upsampling(weight) : weight).to(type).contiguous(kernels::kMapLayout);
  }
  // Computes in the type of w.
  [[nodiscard]] at::Tensor forward(const at::Tensor& x, const at::Tensor& w) const {
    const at::Tensor input = x.to(w.scalar_type());
    if (transposed) return at::conv_transpose2d(input, w, {}, {stride, stride}, {1, 1});
    return at::conv2d(input, w, {}, {stride, stride}, {1, 1});
  }
  // Gradients of x and of the 3x3 weight.
  [[nodiscard]] std::pair<at::Tensor, at::Tensor> backward(const at::Tensor& gradient,
                                                           const at::Tensor& x, const at::Tensor& w,
                                                           bool needs_x, bool needs_w) const {
    auto [of_x, of_w] = conv_gradients(gradient, x, w, stride, transposed, needs_x, needs_w);
    if (!needs_w) return {of_x, of_w};
    return {of_x, transposed ? unfold_upsampling(of_w) : of_w};
  }
};

enum class EluAlgorithm { kDirect, kWinograd, kNarrow };

EluAlgorithm elu_algorithm(const at::Tensor& x, const at::Tensor& weight,
                           const EluConvShape& shape) {
  const std::int64_t in = weight.size(1);
  const std::int64_t out = weight.size(0);
  if (shape.stride != 1) return EluAlgorithm::kDirect;
  if (shape.winograd && kernels::winograd_fits(x, in, out)) return EluAlgorithm::kWinograd;
  const bool is_narrow = shape.narrow && !shape.upsamples && in < out;
  return is_narrow && kernels::small_channel_conv_fits(x, in, out) ? EluAlgorithm::kNarrow
                                                                   : EluAlgorithm::kDirect;
}

class EluConvFunction : public torch::autograd::Function<EluConvFunction> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& weight,
                            const at::Tensor& bias, std::int64_t stride, bool upsamples,
                            bool winograd, bool narrow, const std::optional<at::Tensor>& kept) {
    const EluConvShape shape{stride, upsamples, winograd, narrow};
    const at::Tensor input = x.contiguous(kernels::kMapLayout);
    const EluAlgorithm algorithm = elu_algorithm(input, weight, shape);
    at::Tensor w = weight;
    at::Tensor y;
    if (algorithm == EluAlgorithm::kWinograd) {
      y = kernels::winograd_conv(input, weight, bias, upsamples);
    } else if (algorithm == EluAlgorithm::kNarrow) {
      y = kernels::small_channel_conv(input, weight, bias);
    } else {
      const Direct direct(shape);
      w = direct.weight(weight, kept.value_or(at::Tensor()), kernels::product_type(x));
      y = direct.forward(input, w).contiguous(kernels::kMapLayout);
      kernels::bias_elu_(y, bias);
      y = y.to(x.scalar_type());
    }
    context->save_for_backward({input, w, y});
    context->saved_data["stride"] = stride;
    context->saved_data["upsamples"] = upsamples;
    context->saved_data["algorithm"] = static_cast<std::int64_t>(algorithm);
    return y;
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const variable_list saved = context->get_saved_variables();
    const at::Tensor& x = saved[0];
    const at::Tensor& w = saved[1];
    const at::Tensor& y = saved[2];
    const bool upsamples = context->saved_data["upsamples"].toBool();
    const bool needs_x = context->needs_input_grad(0);
    const bool needs_w = context->needs_input_grad(1);
    at::Tensor of_bias;
    if (context->needs_input_grad(2))
      of_bias = at::empty({y.size(1)}, y.options().dtype(at::kFloat));
    const at::Tensor g = kernels::elu_backward(gradients[0], y, of_bias);
    at::Tensor of_x;
    at::Tensor of_w;
    const auto algorithm = static_cast<EluAlgorithm>(context->saved_data["algorithm"].toInt());
    if (algorithm == EluAlgorithm::kWinograd) {
      if (needs_x) of_x = kernels::winograd_input_gradient(g, w, upsamples);
      if (needs_w) of_w = kernels::winograd_weight_gradient(g, x, upsamples);
    } else if (algorithm == EluAlgorithm::kNarrow) {
      if (needs_x) of_x = kernels::small_channel_conv_input_gradient(g, w);
      if (needs_w) of_w = kernels::small_channel_conv_weight_gradient(g, x, {});
    } else if (needs_x || needs_w) {
      const Direct direct({context->saved_data["stride"].toInt(), upsamples});
      std::tie(of_x, of_w) = direct.backward(g, x, w, needs_x, needs_w);
    }
    return {of_x,         of_w,         of_bias,      at::Tensor(),
            at::Tensor(), at::Tensor(), at::Tensor(), at::Tensor()};
  }
};

}  // namespace

at::Tensor elu_conv(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                    const EluConvShape& shape, const at::Tensor& kept) {
  VALLEY_CHECK(!shape.upsamples || shape.stride == 1);
  return EluConvFunction::apply(x, weight, bias, shape.stride, shape.upsamples, shape.winograd,
                                shape.narrow, kept.defined() ? std::optional(kept) : std::nullopt);
}

at::Tensor fold_upsampling(const at::Tensor& weight) {
  const at::Tensor wide =
      at::constant_pad_nd(at::flip(weight, {2, 3}), {1, 1, 1, 1}).transpose(0, 1);
  const at::Tensor rows = wide.narrow(2, 0, 4) + wide.narrow(2, 1, 4);
  return rows.narrow(3, 0, 4) + rows.narrow(3, 1, 4);
}

at::Tensor unfold_upsampling(const at::Tensor& gradient) {
  const at::Tensor rows = gradient.narrow(2, 0, 3) + gradient.narrow(2, 1, 3);
  const at::Tensor all = rows.narrow(3, 0, 3) + rows.narrow(3, 1, 3);
  return at::flip(all.transpose(0, 1), {2, 3});
}

}  // namespace valley
