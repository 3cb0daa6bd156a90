// Restoration through an autoencoder that knows what real images look like: x <- D(x) where x is
// not known.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>

#include "inference/restorer.h"
#include "methods/adversarial/autoencoder_gan.h"

namespace valley {

inline constexpr std::int64_t kMostPasses = 1'000'000;

// Each step takes unknown pixels from D(x). Known ones are kept; with noise they become
// (1 - w) y + w D(x), w as share_of_model has it and y what is damaged. One step unless more are
// asked for: further ones drift towards what D reconstructs best.
[[nodiscard]] std::unique_ptr<Restorer> make_projection(const AutoencoderGan& gan,
                                                        const RestoreRequest& request,
                                                        at::Device device);

// How much of each pixel is to come from the autoencoder, float [B, 1, H, W]: all of an unknown
// one; of a known one w = noise^2 / (noise^2 + weight r^2), the best mean of two independent
// guesses, r = 0.13 being what an autoencoder that trained for minutes is off by.
[[nodiscard]] at::Tensor share_of_model(const RestoreTask& task, double weight);

// Images of D, which has a range of its own, as images in [0, 1].
[[nodiscard]] at::Tensor to_unit(const at::Tensor& images, PixelRange range);

}  // namespace valley
