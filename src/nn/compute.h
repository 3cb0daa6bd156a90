// Options of how networks are computed. The results are equal up to the rounding of `type`.
#pragma once

#include <c10/core/ScalarType.h>

namespace valley {

struct ComputeOptions {
  // Type of activations and of the multiplications: kFloat or kBFloat16. Weights, their gradients,
  // and the inputs and outputs of networks are float.
  at::ScalarType type = at::kFloat;
  bool fused_elu = true;          // bias and ELU in one pass after the conv
  bool folded_upsampling = true;  // see elu_conv; only with fused_elu
  // See kernels/winograd.h, kernels/strided_conv.h and kernels/narrow_conv.h. BEGAN uses them only
  // with fused_elu.
  bool winograd = true;
  bool narrow_convs = true;
};

}  // namespace valley
