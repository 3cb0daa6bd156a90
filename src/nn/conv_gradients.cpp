#include "nn/conv_gradients.h"

#include <ATen/ops/convolution_backward.h>

namespace valley {

std::pair<at::Tensor, at::Tensor> conv_gradients(const at::Tensor& gradient, const at::Tensor& x,
                                                 const at::Tensor& weight, std::int64_t stride,
                                                 bool transposed, bool needs_x, bool needs_weight) {
  if (!needs_x && !needs_weight) return {};
  const at::ScalarType type = weight.scalar_type();
  auto [of_x, of_weight, of_bias] =
      at::convolution_backward(gradient.to(type), x.to(type), weight, {}, {stride, stride}, {1, 1},
                               {1, 1}, transposed, {0, 0}, 1, {needs_x, needs_weight, false});
  if (needs_x) of_x = of_x.to(x.scalar_type());
  if (needs_weight) of_weight = of_weight.to(at::kFloat);
  return {of_x, of_weight};
}

}  // namespace valley
