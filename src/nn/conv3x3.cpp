#include "nn/conv3x3.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/conv2d.h>
#include <torch/csrc/autograd/custom_function.h>

#include "core/error.h"
#include "kernels/conv_maps.h"
#include "kernels/narrow_conv.h"
#include "kernels/product_type.h"
#include "kernels/winograd.h"

namespace valley {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

bool takes_winograd(const at::Tensor& x, std::int64_t in, std::int64_t out,
                    const ComputeOptions& compute) {
  return compute.winograd && kernels::winograd_fits(x, in, out);
}

// Convolution of images: gradients by Valley's kernels; the forward pass by LibTorch, which is as
// fast without an activation.
bool takes_narrow(const at::Tensor& x, std::int64_t in, std::int64_t out,
                  const ComputeOptions& compute) {
  return compute.narrow_convs && in < out && kernels::small_channel_conv_fits(x, in, out);
}

class Conv3x3Function : public torch::autograd::Function<Conv3x3Function> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& weight,
                            const at::Tensor& bias, bool winograd) {
    const at::Tensor input = x.contiguous(kernels::kMapLayout);
    at::Tensor y;
    if (winograd) {
      y = kernels::winograd_conv(input, weight, {}, false);
      y.add_(bias.to(y.scalar_type()).view({1, -1, 1, 1}));
    } else {
      const at::ScalarType type = kernels::product_type(x);
      y = at::conv2d(input.to(type), weight.to(type), bias.to(type), 1, 1)
              .to(x.scalar_type())
              .contiguous(kernels::kMapLayout);
    }
    context->save_for_backward({input, weight});
    context->saved_data["winograd"] = winograd;
    return y;
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const variable_list saved = context->get_saved_variables();
    const at::Tensor& x = saved[0];
    const at::Tensor& w = saved[1];
    const bool winograd = context->saved_data["winograd"].toBool();
    const at::Tensor g = gradients[0].contiguous(kernels::kMapLayout);
    at::Tensor of_x;
    at::Tensor of_w;
    at::Tensor of_bias;
    if (context->needs_input_grad(0)) {
      of_x = winograd ? kernels::winograd_input_gradient(g, w, false)
                      : kernels::small_channel_conv_input_gradient(g, w);
    }
    if (context->needs_input_grad(1)) {
      of_w = winograd ? kernels::winograd_weight_gradient(g, x, false)
                      : kernels::small_channel_conv_weight_gradient(g, x, {});
    }
    if (context->needs_input_grad(2)) of_bias = g.sum({0, 2, 3}, false, at::kFloat);
    return {of_x, of_w, of_bias, at::Tensor()};
  }
};

}  // namespace

bool has_conv3x3(const at::Tensor& x, std::int64_t in, std::int64_t out,
                 const ComputeOptions& compute) {
  return takes_winograd(x, in, out, compute) || takes_narrow(x, in, out, compute);
}

at::Tensor apply_conv3x3(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                         const ComputeOptions& compute) {
  VALLEY_CHECK(has_conv3x3(x, weight.size(1), weight.size(0), compute));
  return Conv3x3Function::apply(x, weight, bias,
                                takes_winograd(x, weight.size(1), weight.size(0), compute));
}

}  // namespace valley
