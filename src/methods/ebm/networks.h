// The energy of Du & Mordatch 2019 (arXiv 1903.08689): the residual networks of its authors' code.
//
// With n = options.width: a 3x3 conv to n maps, residual blocks, the sum over all positions, a
// linear layer to one number. A block: 3x3 conv, leaky ReLU, 3x3 conv, plus its input (through a
// 3x3 conv of its own where the number of maps changes), averages of 2x2 pixels where it halves the
// maps, leaky ReLU.
//   28, 32 pixels  six blocks of n, n, 2n, 2n, 2n, 2n maps, of which the 1st, 3rd and 5th halve
//                  (the authors: n = 128); maps of 7x7 are not halved
//   64 to 256      blocks of n, 2n, 4n, 8n, 8n, ... that halve down to 4x4, then one of 8n that
//                  does not (the authors, at 128 pixels: n = 64)
// `spectral_norm`: every conv's weight is divided by its largest singular value, those that end a
// block only where it is above 1; they start near zero, so that blocks start as their inputs. The
// authors leave the linear layer out.
#pragma once

#include <memory>

#include "nn/model.h"

namespace valley {

// For 28, 32, 64, 128 and 256 pixels; images are in [0, 1]. Error kConfig for other shapes and for
// options that this network does not have. `device`: where parameters are made.
[[nodiscard]] std::unique_ptr<Model> make_ebm(const ModelOptions& options, at::Device device);

}  // namespace valley
