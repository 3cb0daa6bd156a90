// The energy networks of Du & Mordatch 2019 (arXiv 1903.08689), as in the authors' code.
//
// With n = options.width: a 3x3 conv to n maps, residual blocks, the sum over all positions, a
// linear layer to a scalar. A block: 3x3 conv, leaky ReLU, 3x3 conv, plus its input (through
// another 3x3 conv if the number of maps changes), 2x2 average pooling if it halves the maps, leaky
// ReLU.
//   28, 32 pixels  six blocks of n, n, 2n, 2n, 2n, 2n maps, of which the 1st, 3rd and 5th halve
//                  (the authors: n = 128); maps of 7x7 are not halved
//   64 to 256      blocks of n, 2n, 4n, 8n, 8n, ... that halve down to 4x4, then one of 8n that
//                  does not (the authors, at 128 pixels: n = 64)
// With model.labels = K the linear layer has K outputs, the energies E(x, y) of K classes; their
// negatives are the logits of JEM (Grathwohl et al. 2020, arXiv 1912.03263).
// `spectral_norm`: divides every conv's weight by its largest singular value, except that of a
// block's last conv only if it is above 1; its weight starts near zero, and so does the block's
// residual branch. As in the authors' code, not applied to the linear layer.
#pragma once

#include <memory>

#include "nn/model.h"

namespace valley {

// For 28, 32, 64, 128 and 256 pixels; images are in [0, 1]. Error kConfig for other shapes and
// unsupported options. `device`: device of the parameters.
[[nodiscard]] std::unique_ptr<Model> make_ebm(const ModelOptions& options, at::Device device);

}  // namespace valley
