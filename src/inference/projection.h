// Restoration by an autoencoder D that was trained on real images: x <- D(x) for unknown pixels.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>

#include "inference/restorer.h"
#include "methods/adversarial/autoencoder_gan.h"

namespace valley {

inline constexpr std::int64_t kMaxProjectionSteps = 1'000'000;

// Each step takes unknown pixels from D(x). Known pixels are kept; with noise they become
// (1 - w) y + w D(x), where w is compute_model_share and y the damaged image. The default is one
// step: more steps drift towards images with the smallest reconstruction error.
[[nodiscard]] std::unique_ptr<Restorer> make_projection(const AutoencoderGan& gan,
                                                        const RestoreRequest& request,
                                                        at::Device device);

// Weight of the autoencoder per pixel, float [B, 1, H, W]: 1 for unknown pixels, and
// w = noise^2 / (noise^2 + weight r^2) for known ones, the optimal average of two independent
// estimates. r = 0.13 is the measured RMS error of an autoencoder after minutes of training.
[[nodiscard]] at::Tensor compute_model_share(const RestoreTask& task, double weight);

// Converts images from the pixel range of D to [0, 1].
[[nodiscard]] at::Tensor to_unit(const at::Tensor& images, PixelRange range);

}  // namespace valley
