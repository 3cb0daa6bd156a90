// The networks of BEGAN (Berthelot, Schumm, Metz 2017, arXiv 1703.10717, section 3.4 and figure 1).
//
// With n = options.width filters and L = log2(resolution) - 2 levels (28 pixels: 3, from 7x7):
//   encoder   3x3 conv to n; level l has two 3x3 convs of n(l+1) filters, the second with stride 2
//   except in the last level,
//             down to 8x8; then a linear layer to `hidden` numbers without nonlinearity
//   decoder   linear to [n, 8, 8]; each level has two 3x3 convs of n filters, then
//   nearest-neighbour upsampling; last a 3x3
//             conv to the image's channels without nonlinearity. The generator has the same shape.
// ELU after every conv but the last. `skip_connections`: after each upsampling, the decoder's first
// tensor h0, upsampled to the same size, is concatenated. `downsample = "extra"`: all convs of a
// level keep the size and a third, strided one of the same width follows it, as the common
// implementations have it (1.4 times the work of "strided"). `output`: what the last conv of both
// networks is followed by. `vanishing_residuals`: layers between the first and the last of a
// network whose input and output have the same shape give c * input + (1 - c) * output, with c
// falling from 1 to 0 in that many steps.
#pragma once

#include <memory>

#include "nn/model.h"

namespace valley {

// Error kConfig for resolutions other than 28 and 16, 32, ..., 512, channels other than 1 and 3,
// sizes that are not positive or over kMostUnits, and options that these networks do not have.
// `device`: where parameters are made.
[[nodiscard]] std::unique_ptr<Model> make_began(const ModelOptions& options, at::Device device);

}  // namespace valley
