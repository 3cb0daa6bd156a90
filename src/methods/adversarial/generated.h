// Generated images G(z), or G(z, y), for the updates of an autoencoder GAN; each update has its own
// latents.
#pragma once

#include <ATen/core/Tensor.h>

#include "methods/adversarial/autoencoder_gan.h"
#include "methods/adversarial/classes.h"
#include "methods/objective.h"

namespace valley {

class GeneratedImages {
 public:
  // `model` outlives this.
  GeneratedImages(const AutoencoderGan& model, LatentDraw latent, const ClassLabels& labels)
      : model_(model), latent_(latent), labels_(labels) {}

  // [B, C, H, W], from the microbatch's latents of `stream`; the prefetched images if there are
  // any.
  [[nodiscard]] at::Tensor of(const Microbatch& microbatch, RandomStream stream) const;
  // Their classes: ClassLabels::generated.
  [[nodiscard]] at::Tensor labels(const Microbatch& microbatch, RandomStream stream) const {
    return labels_.generated(microbatch, stream);
  }
  // For Objective::prefetch; reads only the generator.
  void prefetch(Microbatch& microbatch, RandomStream stream) const;

 private:
  const AutoencoderGan& model_;
  LatentDraw latent_;
  ClassLabels labels_;
};

}  // namespace valley
