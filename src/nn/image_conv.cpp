#include "nn/image_conv.h"

#include <ATen/ops/empty.h>
#include <torch/csrc/autograd/custom_function.h>

#include "kernels/conv_maps.h"
#include "kernels/narrow_conv.h"
#include "kernels/product_type.h"
#include "nn/conv_gradients.h"

namespace valley {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

class ImageConvFunction : public torch::autograd::Function<ImageConvFunction> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& weight,
                            const at::Tensor& bias) {
    context->save_for_backward({x, weight});
    return kernels::small_channel_conv(x, weight, bias);
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const variable_list saved = context->get_saved_variables();
    const at::Tensor& x = saved[0];
    const at::Tensor& weight = saved[1];
    const at::Tensor g = gradients[0].to(x.scalar_type()).contiguous(kernels::kMapLayout);
    at::Tensor of_x;
    at::Tensor of_weight;
    at::Tensor of_bias;
    if (context->needs_input_grad(0)) {
      const at::Tensor w = weight.to(kernels::product_type(x)).contiguous(kernels::kMapLayout);
      of_x = conv_gradients(g, x, w, 1, false, true, false).first;
    }
    if (context->needs_input_grad(1) || context->needs_input_grad(2)) {
      of_bias = at::empty({weight.size(0)}, weight.options());
      of_weight = kernels::small_channel_conv_weight_gradient(g, x, of_bias);
    }
    return {of_x, of_weight, of_bias};
  }
};

}  // namespace

at::Tensor image_conv(const Conv2d& conv, const at::Tensor& x) {
  const ConvShape& s = conv.shape();
  const at::Tensor input = x.contiguous(kernels::kMapLayout);
  const bool is_3x3 = s.kernel == 3 && s.stride == 1 && s.padding == 1 && !s.transposed;
  const bool fits = is_3x3 && conv.bias().defined() && s.out < s.in &&
                    kernels::small_channel_conv_fits(input, s.in, s.out);
  return fits ? ImageConvFunction::apply(input, conv.weight(), conv.bias()) : conv(x);
}

}  // namespace valley
