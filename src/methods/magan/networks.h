// The networks of MAGAN (Wang, Cully, Chang, Demiris 2017, arXiv 1704.03817), as in its authors'
// code.
//
// With n = options.width and K doublings from 4x4 (28 pixels: from 7x7) to the image:
//   generator      transposed conv of the latent vector to n 2^(K-1) maps of 4x4; transposed 4x4
//                  convs of stride 2 to half the maps each, the last to the image. ReLU.
//   discriminator  encoder of K 4x4 convs of stride 2 to n, 2n, 4n, ... maps, which are the code;
//                  decoder of transposed ones back to the image. Leaky ReLU.
//   at 28 pixels   the discriminator is fully connected: two layers of 4n, and one to the image.
//                  ReLU.
// No batch norm. Weights: Initializer::he_normal. `output`: last activation of both networks.
#pragma once

#include <memory>

#include "nn/model.h"

namespace valley {

// For 28, 32, 64, 128 and 256 pixels (the paper does not have the last two; they add levels of the
// same kind). Error kConfig for other shapes and unsupported options. `device`: device of the
// parameters.
[[nodiscard]] std::unique_ptr<Model> make_magan(const ModelOptions& options, at::Device device);

}  // namespace valley
