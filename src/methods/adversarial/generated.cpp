#include "methods/adversarial/generated.h"

namespace valley {

at::Tensor GeneratedImages::of(const Microbatch& microbatch, RandomStream stream) const {
  const at::Tensor ahead = microbatch.kept_ahead(stream);
  if (ahead.defined()) return ahead;
  return model_.generator().generate(microbatch.latents(stream, latent_));
}

void GeneratedImages::make_ahead(Microbatch& microbatch, RandomStream stream) const {
  microbatch.keep_ahead(stream, of(microbatch, stream));
}

}  // namespace valley
