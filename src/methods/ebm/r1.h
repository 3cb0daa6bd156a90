// The R1 penalty of an energy (Mescheder, Geiger, Nowozin 2018, arXiv 1801.04406, equation 9):
//   R1(x) = |dE(x)/dx|^2 / 2, over C, H, W
#pragma once

#include <ATen/core/Tensor.h>

#include "nn/network.h"

namespace valley {

// Adds d(factor * sum of R1 over images)/d(parameters) to .grad of the network, which requires
// gradients. images [B, C, H, W]; returns the sum of R1: []. Needs second derivatives, so LibTorch
// computes the convolutions of this pass.
[[nodiscard]] at::Tensor add_r1_gradient(const EnergyNetwork& network, const at::Tensor& images,
                                         double factor);

}  // namespace valley
