// The class of an image under a conditional discriminator, where the caller does not know it.
#pragma once

#include <ATen/core/Tensor.h>

#include "methods/adversarial/autoencoder_gan.h"
#include "methods/adversarial/energies.h"

namespace valley {

// For each image the class under which D reconstructs it with the lowest energy: int64 [B]; one
// pass per class, without gradients. Undefined if D is unconditional. x: [B, C, H, W] in the
// model's range. Thread-safe on CPUs.
[[nodiscard]] at::Tensor likely_labels(const AutoencoderGan& gan, Energy energy,
                                       const at::Tensor& x);

}  // namespace valley
