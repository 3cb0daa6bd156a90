#include "methods/adversarial/generated.h"

namespace valley {

at::Tensor GeneratedImages::of(const Microbatch& microbatch, RandomStream stream) const {
  const at::Tensor prefetched = microbatch.prefetched(stream);
  if (prefetched.defined()) return prefetched;
  return model_.generator().generate(microbatch.latents(stream, latent_),
                                     labels(microbatch, stream));
}

void GeneratedImages::prefetch(Microbatch& microbatch, RandomStream stream) const {
  microbatch.store_prefetched(stream, of(microbatch, stream));
}

}  // namespace valley
