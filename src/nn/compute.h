// How the passes through a network are computed: the same results up to the rounding of `type`.
#pragma once

#include <c10/core/ScalarType.h>

namespace valley {

struct ComputeOptions {
  // Of activations and of what weights are multiplied as: kFloat or kBFloat16. Weights, their
  // gradients, what goes into a network and what comes out of it are float.
  at::ScalarType type = at::kFloat;
  bool fused_elu = true;          // bias and ELU in one pass behind the conv
  bool folded_upsampling = true;  // see elu_conv; only with fused_elu
  // See kernels/winograd.h, kernels/strided_conv.h and kernels/narrow_conv.h; of BEGAN only with
  // fused_elu.
  bool winograd = true;
  bool narrow_convs = true;
};

}  // namespace valley
