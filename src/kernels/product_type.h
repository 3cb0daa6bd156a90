// Element type of LibTorch's convolutions and matrix products.
#pragma once

#include <ATen/core/Tensor.h>

#include "kernels/cpu_features.h"

namespace valley::kernels {

// `type`, but float for bfloat16 on x86 CPUs without AVX-512, where LibTorch multiplies bfloat16
// without vector instructions. Callers convert the results back to `type`.
[[nodiscard]] inline at::ScalarType product_type(at::ScalarType type, at::DeviceType device) {
  const bool is_slow = type == at::kBFloat16 && device == at::kCPU && VALLEY_WIDE_VECTORS != 0 &&
                       cpu::vectors() != cpu::Vectors::kAvx512;
  return is_slow ? at::kFloat : type;
}
[[nodiscard]] inline at::ScalarType product_type(const at::Tensor& x) {
  return product_type(x.scalar_type(), x.device().type());
}

}  // namespace valley::kernels
