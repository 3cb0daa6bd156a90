// Energies of images under an autoencoder. Each has a unit, and a margin is only ever used with the
// energy it was stated for.
#pragma once

#include <ATen/core/Tensor.h>

namespace valley {

// Mean over the batch of `l1_mean`: the mean over channels and pixels of abs(reconstruction -
// image) (BEGAN, equation 1).
//   image, reconstruction  [B, C, H, W]; returns []. Differentiable in both.
[[nodiscard]] at::Tensor mean_l1_energy(const at::Tensor& image, const at::Tensor& reconstruction);

}  // namespace valley
