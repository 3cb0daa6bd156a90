// The type in which LibTorch is asked for convs and matrix products.
#pragma once

#include <ATen/core/Tensor.h>

#include "kernels/cpu_features.h"

namespace valley::kernels {

// For maps or rows of `type` on `device`: that type, but float for bfloat16 on x86 CPUs without
// AVX-512, where LibTorch multiplies bfloat16 a number at a time. Results belong in `type` again.
[[nodiscard]] inline at::ScalarType product_type(at::ScalarType type, at::DeviceType device) {
  const bool is_slow = type == at::kBFloat16 && device == at::kCPU && VALLEY_WIDE_VECTORS != 0 &&
                       cpu::vectors() != cpu::Vectors::kAvx512;
  return is_slow ? at::kFloat : type;
}
[[nodiscard]] inline at::ScalarType product_type(const at::Tensor& x) {
  return product_type(x.scalar_type(), x.device().type());
}

}  // namespace valley::kernels
