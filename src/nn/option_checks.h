// What models have in common when they read their options: the sizes of their maps, and refusals.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "nn/model.h"

namespace valley {

inline constexpr std::int64_t kMnistSide = 28;  // pixels of MNIST's images

// A map's side, doubled until it is the image's.
struct Pyramid {
  std::int64_t base = 4;       // pixels of the smallest map
  std::int64_t doublings = 4;  // from there to the image
};
// From `base` up to a resolution of base * 2^n; 28 pixels begin at 7.
[[nodiscard]] Pyramid pyramid_of(std::int64_t resolution, std::int64_t base);

// What a model makes use of; options that ask for anything else are refused.
struct ModelAbilities {
  std::vector<std::int64_t> resolutions;  // none: any
  bool skip_connections = false;
  bool extra_downsampling = false;
  bool makes_images = true;  // has a use for model.output
  bool batch_norm = false;
  bool spectral_norm = false;
  bool vanishing_residuals = false;
  bool layers = false;  // of restricted Boltzmann machines, with what belongs to them
};

// Error kConfig naming the key, for shapes that are out of range and for options that the model
// would not heed.
void require_abilities(const ModelOptions& options, const ModelAbilities& abilities);

}  // namespace valley
