// Generated images G(z) for the updates of an autoencoder GAN; each update has its own latents.
#pragma once

#include <ATen/core/Tensor.h>

#include "methods/adversarial/autoencoder_gan.h"
#include "methods/objective.h"

namespace valley {

class GeneratedImages {
 public:
  // `model` outlives this.
  GeneratedImages(const AutoencoderGan& model, LatentDraw latent)
      : model_(model), latent_(latent) {}

  // [B, C, H, W], from the microbatch's latents of `stream`; the prefetched images if there are
  // any.
  [[nodiscard]] at::Tensor of(const Microbatch& microbatch, RandomStream stream) const;
  // For Objective::prefetch; reads only the generator.
  void prefetch(Microbatch& microbatch, RandomStream stream) const;

 private:
  const AutoencoderGan& model_;
  LatentDraw latent_;
};

}  // namespace valley
