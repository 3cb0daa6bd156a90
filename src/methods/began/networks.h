// The networks of BEGAN (Berthelot, Schumm, Metz 2017, arXiv 1703.10717, section 3.4 and figure 1).
//
// With n = options.width filters and L = log2(resolution) - 2 levels (28 pixels: 3, from 7x7):
//   encoder   3x3 conv to n; level l has two 3x3 convs of n(l+1) filters, the second with stride 2
//             except in the last level, down to 8x8; then a linear layer to `hidden` units without
//             activation
//   decoder   linear to [n, 8, 8]; each level has two 3x3 convs of n filters, then nearest-neighbor
//             upsampling; last a 3x3 conv to the image's channels without activation. The generator
//             has the same layers.
// ELU after every conv except the last. `skip_connections`: concatenates the decoder's first tensor
// h0, upsampled to the same size, after each upsampling. `downsample = "extra"`: the two convs of a
// level have stride 1 and a third, strided one of the same width follows, as in common
// implementations (1.4 times the work of "strided"). `output`: activation after the last conv of
// both networks. `vanishing_residuals`: inner layers whose input and output have the same shape
// return c * input + (1 - c) * output, with c decaying from 1 to 0 in that many steps.
#pragma once

#include <memory>

#include "nn/model.h"

namespace valley {

// Error kConfig for resolutions other than 28 and 16, 32, ..., 512, channels other than 1 and 3,
// sizes outside 1 to kMaxUnits, and unsupported options. `device`: device of the parameters.
[[nodiscard]] std::unique_ptr<Model> make_began(const ModelOptions& options, at::Device device);

}  // namespace valley
