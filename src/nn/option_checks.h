// Map sizes and option checks that models share.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "nn/model.h"

namespace valley {

inline constexpr std::int64_t kMnistSide = 28;  // pixels of MNIST's images

// Sides of maps: a base size that is doubled up to the image's size.
struct Pyramid {
  std::int64_t base = 4;       // pixels of the smallest map
  std::int64_t doublings = 4;  // from the smallest map to the image
};
// For resolution = base * 2^n; for 28 pixels the base is 7.
[[nodiscard]] Pyramid make_pyramid(std::int64_t resolution, std::int64_t base);

// The options that a model supports; others are rejected.
struct ModelAbilities {
  std::vector<std::int64_t> resolutions;  // empty: any
  bool skip_connections = false;
  bool extra_downsampling = false;
  bool makes_images = true;  // supports model.output
  bool batch_norm = false;
  bool spectral_norm = false;
  bool vanishing_residuals = false;
  bool labels = false;  // conditional on classes
  bool layers = false;  // stacks of RBMs, with their options
};

// Error kConfig naming the key, for sizes out of range and for options that the model does not
// support.
void require_abilities(const ModelOptions& options, const ModelAbilities& abilities);

}  // namespace valley
