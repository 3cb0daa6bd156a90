// The images that the updates of an autoencoder GAN are about: G(z), each update with latents of
// its own.
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

  // [B, C, H, W], of the microbatch's latents of `stream`; those that were made ahead, where they
  // were.
  [[nodiscard]] at::Tensor of(const Microbatch& microbatch, RandomStream stream) const;
  // For Objective::pass_ahead: reads the generator alone.
  void make_ahead(Microbatch& microbatch, RandomStream stream) const;

 private:
  const AutoencoderGan& model_;
  LatentDraw latent_;
};

}  // namespace valley
