#include "methods/adversarial/gradient_factor.h"

#include <ATen/TensorOperators.h>

namespace valley {

GradientFactor::Scope GradientFactor::apply(const at::Tensor& factor) {
  if (!factor_) {
    factor_ = std::make_shared<at::Tensor>();
    for (const Parameter& p : network_.parameters().all()) {
      // An undefined result keeps the gradient as it is.
      p.value.register_hook([shared = factor_](const at::Tensor& gradient) {
        return shared->defined() ? gradient * *shared : at::Tensor();
      });
    }
  }
  *factor_ = factor;
  return Scope(factor_.get());
}

}  // namespace valley
