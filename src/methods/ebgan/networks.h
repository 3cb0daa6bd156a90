// The networks of EBGAN (Zhao, Mathieu, LeCun 2016, arXiv 1609.03126, appendices B to D).
//
// With n = options.width (the paper: 64) and K doublings from 4x4 (28 pixels: from 7x7) to the
// image:
//   generator      transposed 4x4 conv of the latent vector to n 2^(K-1) maps of 4x4; K transposed
//                  4x4 convs of stride 2, each to half the maps, at least n; last a 3x3
//                  conv to the image's channels. ReLU.
//   discriminator  encoder of 4x4 convs of stride 2 to n, 2n, 4n (and 8n from 128 pixels on) maps,
//                  leaky ReLU; decoder of transposed ones back to the image, ReLU.
// `batch_norm`: after each conv except those that read or write images. Weights N(0, 0.02) in the
// generator, N(0, 0.002) in the discriminator. `output`: last activation of both networks.
#pragma once

#include <memory>

#include "nn/model.h"

namespace valley {

// For 28, 32, 64, 128 and 256 pixels. Error kConfig for other shapes and unsupported options.
// `device`: device of the parameters.
[[nodiscard]] std::unique_ptr<Model> make_ebgan(const ModelOptions& options, at::Device device);

}  // namespace valley
