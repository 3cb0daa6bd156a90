#include "nn/conv4x4.h"

#include <ATen/ops/conv2d.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/leaky_relu.h>
#include <torch/csrc/autograd/custom_function.h>

#include <optional>
#include <tuple>
#include <utility>

#include "core/error.h"
#include "kernels/activations.h"
#include "kernels/conv_maps.h"
#include "kernels/narrow_conv.h"
#include "kernels/product_type.h"
#include "kernels/strided_conv.h"
#include "nn/conv_gradients.h"

namespace valley {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

enum class StridedAlgorithm {
  kLibTorch,
  kWinograd,   // kernels/strided_conv.h
  kFromImage,  // gradient of the input by kernels/narrow_conv.h, the rest by LibTorch
  kToImage,    // forward pass by kernels/narrow_conv.h, gradients by LibTorch
};

StridedAlgorithm strided_algorithm(const at::Tensor& x, const ConvShape& s,
                                   const ComputeOptions& compute) {
  if (s.kernel != 4 || s.stride != 2 || s.padding != 1) return StridedAlgorithm::kLibTorch;
  if (compute.winograd && kernels::strided_conv_fits(x, s.out, s.transposed))
    return StridedAlgorithm::kWinograd;
  const bool narrows = s.transposed ? s.out < s.in : s.in < s.out;
  if (!compute.narrow_convs || !narrows || !kernels::small_channel_conv_fits(x, s.in, s.out))
    return StridedAlgorithm::kLibTorch;
  if (s.transposed) return StridedAlgorithm::kToImage;
  const bool is_even = x.size(2) % 2 == 0 && x.size(3) % 2 == 0;
  return is_even ? StridedAlgorithm::kFromImage : StridedAlgorithm::kLibTorch;
}

at::Tensor from_image(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                      double leak) {
  const at::ScalarType type = kernels::product_type(x);
  at::Tensor y = at::conv2d(x.to(type), weight.to(type), bias.defined() ? bias.to(type) : bias,
                            {2, 2}, {1, 1});
  if (leak != 1) at::leaky_relu_(y, leak);
  return y.to(x.scalar_type()).contiguous(kernels::kMapLayout);
}

at::Tensor to_image(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                    double leak) {
  at::Tensor y = kernels::small_channel_transposed_conv(x, weight, bias);
  return leak == 1 ? y : at::leaky_relu_(y, leak);
}

std::pair<at::Tensor, at::Tensor> libtorch_backward(const at::Tensor& g, const at::Tensor& x,
                                                    const at::Tensor& weight, bool transposed,
                                                    bool needs_x, bool needs_w) {
  const at::Tensor w = weight.to(kernels::product_type(x)).contiguous(kernels::kMapLayout);
  return conv_gradients(g, x, w, 2, transposed, needs_x, needs_w);
}

class Conv4x4Function : public torch::autograd::Function<Conv4x4Function> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& weight,
                            const std::optional<at::Tensor>& bias, bool transposed, double leak,
                            std::int64_t algorithm) {
    const at::Tensor b = bias.value_or(at::Tensor());
    at::Tensor y;
    switch (static_cast<StridedAlgorithm>(algorithm)) {
      case StridedAlgorithm::kWinograd:
        y = kernels::strided_conv(x, weight, b, leak, transposed);
        break;
      case StridedAlgorithm::kFromImage:
        y = from_image(x, weight, b, leak);
        break;
      case StridedAlgorithm::kToImage:
        y = to_image(x, weight, b, leak);
        break;
      case StridedAlgorithm::kLibTorch:
        VALLEY_CHECK(!"a conv that has_conv4x4 supports");
    }
    context->save_for_backward({x, weight, leak == 1 ? at::Tensor() : y});
    context->saved_data["transposed"] = transposed;
    context->saved_data["has_bias"] = b.defined();
    context->saved_data["leak"] = leak;
    context->saved_data["algorithm"] = algorithm;
    return y;
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const variable_list saved = context->get_saved_variables();
    const at::Tensor& x = saved[0];
    const at::Tensor& w = saved[1];
    const bool transposed = context->saved_data["transposed"].toBool();
    const double leak = context->saved_data["leak"].toDouble();
    const bool needs_x = context->needs_input_grad(0);
    const bool needs_w = context->needs_input_grad(1);
    at::Tensor g = gradients[0].to(x.scalar_type()).contiguous(kernels::kMapLayout);
    at::Tensor of_bias;
    if (context->saved_data["has_bias"].toBool() && context->needs_input_grad(2))
      of_bias = at::empty({g.size(1)}, w.options());
    if (leak != 1) {
      g = kernels::leaky_backward(g, saved[2], leak, of_bias);
    } else if (of_bias.defined()) {
      of_bias = g.sum({0, 2, 3}, false, at::kFloat);
    }
    at::Tensor of_x;
    at::Tensor of_w;
    switch (static_cast<StridedAlgorithm>(context->saved_data["algorithm"].toInt())) {
      case StridedAlgorithm::kWinograd:
        if (needs_x) of_x = kernels::strided_conv(g, w, {}, 1, !transposed);
        if (needs_w)
          of_w = kernels::strided_conv_weight_gradient(transposed ? g : x, transposed ? x : g);
        break;
      case StridedAlgorithm::kFromImage:
        if (needs_x) of_x = kernels::small_channel_transposed_conv(g, w, {});
        of_w = libtorch_backward(g, x, w, false, false, needs_w).second;
        break;
      case StridedAlgorithm::kToImage:
        std::tie(of_x, of_w) = libtorch_backward(g, x, w, true, needs_x, needs_w);
        break;
      case StridedAlgorithm::kLibTorch:
        break;
    }
    return {of_x, of_w, of_bias, at::Tensor(), at::Tensor(), at::Tensor()};
  }
};

}  // namespace

bool has_conv4x4(const at::Tensor& x, const ConvShape& shape, const ComputeOptions& compute) {
  return strided_algorithm(x, shape, compute) != StridedAlgorithm::kLibTorch;
}

at::Tensor apply_conv4x4(const at::Tensor& x, const Conv2d& conv, double leak,
                         const ComputeOptions& compute) {
  const StridedAlgorithm algorithm = strided_algorithm(x, conv.shape(), compute);
  const std::optional<at::Tensor> bias =
      conv.bias().defined() ? std::optional(conv.bias()) : std::nullopt;
  return Conv4x4Function::apply(x, conv.weight(), bias, conv.shape().transposed, leak,
                                static_cast<std::int64_t>(algorithm));
}

}  // namespace valley
